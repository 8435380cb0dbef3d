from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import pixels
from stages.contract import Kit, StageError
from stages.images.compare import STAGE, CompareConfig
from stages.images.index_pixels import STAGE as INDEX
from stages.images.index_pixels import IndexPixelsConfig
from stages.measures.distances import l2, tiled_l2
from stages.tables import GENERATIONS, IMAGES, MATCHES, NEIGHBORS, PROMPTS, WORKS

SIDE = 8


@dataclass
class World:
    """Works with their images, and generations of them."""

    images: list[dict[str, Any]] = field(default_factory=list)
    made: list[dict[str, Any]] = field(default_factory=list)
    neighbors: list[dict[str, Any]] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)

    def work(self, work_id: str, rgb: np.ndarray, half: str = "train", **more: Any) -> None:
        """Add one image of a work."""
        image_id = more.get("image_id", f"{work_id}.{len(self.images):04}")
        row = {"image_id": image_id, "work_id": work_id, "half": half, "mixed": False}
        self.images.append(row | {"sha256": image_id, "rgb": rgb} | more)

    def generation(self, image_id: str, rgb: np.ndarray, **more: Any) -> None:
        """Add one generation, by default of prompt p."""
        row = {"image_id": image_id, "model_id": "m", "prompt_id": "p", "sample": len(self.made)}
        self.made.append(row | {"phase": "discovery", "rgb": rgb} | more)

    def index(self, folder: Path, **knobs: Any) -> tuple[Kit, Sequence[Any]]:
        """Write the pixel index; return the kit that opens it and what was rejected."""
        images = of(IMAGES, self.images, INDEX.reads["images"].names)
        works = of(WORKS, self.images, INDEX.reads["works"].names)
        folder.mkdir()
        inputs = {"images": [images[:3], images[3:]], "works": [works[:1], works[1:]]}
        config = IndexPixelsConfig(**({"side": SIDE} | knobs))
        outs = list(INDEX.run(inputs, config, Kit(folder=folder)))
        return Kit(folders={"pixels": folder}), [bad for out in outs for bad in out.rejected]

    def run(self, kit: Kit, **knobs: Any) -> tuple[list[dict[str, Any]], Sequence[Any]]:
        """Return the rows of compare and what it rejected."""
        tables = {"images": self.made, "neighbors": self.neighbors, "prompts": self.prompts}
        schemas = {"images": GENERATIONS, "neighbors": NEIGHBORS, "prompts": PROMPTS}
        inputs = {
            role: of(schemas[role], rows, STAGE.reads[role].names) for role, rows in tables.items()
        }
        config = CompareConfig(**({"num_others": 3} | knobs))
        out = STAGE.run(inputs, STAGE.open(config, kit))
        return MATCHES.check(out.rows).to_pylist(), out.rejected


def of(table: Any, rows: list[dict[str, Any]], names: Sequence[str]) -> pa.Table:
    schema = pa.schema([table.schema.field(name) for name in names])
    plain = [
        {"bytes": pixels.encode_png(row["rgb"]), **row} if "rgb" in row else row for row in rows
    ]
    return pa.Table.from_pylist(plain, schema=schema)


def noise(seed: int, side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def moved(rgb: np.ndarray, by: int) -> np.ndarray:
    return np.clip(rgb.astype(int) + by, 0, 255).astype(np.uint8)


def world(works: int = 8, **halves: str) -> World:
    made = World()
    for k in range(works):
        made.work(f"w{k}", noise(k), halves.get(f"w{k}", "train" if k % 2 else "control"))
    return made


def best_of(rows: list[dict[str, Any]], image_id: str) -> list[str]:
    return [row["work_id"] for row in rows if row["made_id"] == image_id and row["best"]]


def test_planted_copies_are_found_and_nothing_else(tmp_path: Path) -> None:
    made = world()
    made.generation("exact", noise(3))
    jitter = np.random.default_rng(0).integers(-12, 13, (SIDE, SIDE, 3))
    made.generation("noisy", np.clip(noise(4) + jitter, 0, 255).astype(np.uint8))
    made.generation("brighter", moved(noise(5), 15))
    made.generation("new", noise(99))
    rows, rejected = made.run(made.index(tmp_path / "a")[0])
    assert not rejected
    found = {(row["made_id"], row["work_id"]) for row in rows if row["adaptive_ratio"] < 0.7}
    assert found == {("exact", "w3"), ("noisy", "w4"), ("brighter", "w5")}
    assert all(best_of(rows, image_id) == [work_id] for image_id, work_id in found)
    exact = next(row for row in rows if (row["made_id"], row["work_id"]) == ("exact", "w3"))
    assert (exact["l2"], exact["tiled_l2"], exact["adaptive_ratio"]) == (0, 0, 0)
    assert (exact["half"], exact["neighbor_id"], exact["via"]) == ("train", "w3.0003", "pixels")
    assert exact["similarity"] is None
    assert min(row["adaptive_ratio"] for row in rows if row["made_id"] == "new") > 0.7


def test_sixty_four_copies_of_a_work_do_not_spoil_its_ratio(tmp_path: Path) -> None:
    copy = moved(noise(3), 9)
    single = world()
    single.generation("g", copy)
    (alone, _) = single.run(single.index(tmp_path / "a")[0])
    many = world()
    for k in range(64):
        many.work("w3", noise(3), sha256=f"same{k % 2}")
        many.work("w3", moved(noise(3), k % 5 - 2))
    many.generation("g", copy)
    (repeated, _) = many.run(many.index(tmp_path / "b")[0])
    ratio = {row["work_id"]: row["adaptive_ratio"] for row in alone}
    again = {row["work_id"]: row["adaptive_ratio"] for row in repeated}
    # counted as neighbors, fifty near-duplicates would put this ratio near 2
    assert again["w3"] < ratio["w3"] < 0.3
    nearest = next(row for row in repeated if row["work_id"] == "w3")
    assert nearest["l2"] == pytest.approx(l2(copy, moved(noise(3), 2)))


def test_a_work_counts_once_by_its_nearest_image(tmp_path: Path) -> None:
    made = world(2)
    made.work("w1", moved(noise(0), 3))
    made.generation("g", noise(0))
    rows, _ = made.run(made.index(tmp_path / "a")[0], num_others=1)
    first, second = rows
    assert (first["work_id"], second["work_id"]) == ("w0", "w1")
    assert second["neighbor_id"] == "w1.0002"
    assert second["adaptive_ratio"] is None, "the only other work is the generation itself"
    assert first["adaptive_ratio"] == 0


def test_ties_are_all_best(tmp_path: Path) -> None:
    made = world()
    made.work("tie", noise(3), "control", sha256="w3.0003")
    made.generation("g", noise(3))
    rows, _ = made.run(made.index(tmp_path / "a")[0], num_nearest=1)
    assert best_of(rows, "g") == ["tie", "w3"]
    assert {row["half"] for row in rows if row["best"]} == {"train", "control"}


def test_the_nearest_control_is_known_even_behind_nearer_training_works(tmp_path: Path) -> None:
    made = World()
    for k in range(6):
        made.work(f"t{k}", moved(noise(0), k))
    for k in range(3):
        made.work(f"c{k}", moved(noise(0), 30 + 10 * k), "control")
    made.work("both", moved(noise(0), 90), "control", mixed=True)
    made.work("both", moved(noise(0), 95), "train", mixed=True)
    made.generation("g", noise(0))
    rows, _ = made.run(made.index(tmp_path / "a")[0], num_nearest=2)
    assert [row["work_id"] for row in rows] == ["t0", "t1", "c0", "c1", "both"]


def test_descriptor_and_caption_nominate_works_that_pixels_do_not(tmp_path: Path) -> None:
    made = world(20)
    made.generation("g", noise(3))
    made.generation("h", noise(3), prompt_id="q")
    for neighbor, work, similarity in (("a", "w9", 0.5), ("b", "w9", 0.75), ("c", "w3", 0.25)):
        row = {"image_id": "g", "neighbor_id": neighbor, "work_id": work, "similarity": similarity}
        made.neighbors.append(row)
    for work_id in ("w11", None):
        made.prompts.append({"prompt_id": "p", "work_id": work_id})
    rows, rejected = made.run(made.index(tmp_path / "a")[0], num_nearest=1)
    via = {(row["made_id"], row["work_id"]): row["via"] for row in rows}
    assert not rejected
    assert via["g", "w9"] == "descriptor"
    assert via["g", "w3"] == "descriptor+pixels"
    assert via["g", "w11"] == "caption"
    assert ("h", "w9") not in via
    assert ("h", "w11") not in via
    similarity = {row["work_id"]: row["similarity"] for row in rows if row["made_id"] == "g"}
    assert (similarity["w9"], similarity["w3"], similarity["w11"]) == (0.75, 0.25, None)


def test_too_few_other_works_give_no_ratio_and_no_best(tmp_path: Path) -> None:
    made = world(3)
    made.generation("g", noise(1))
    kit, _ = made.index(tmp_path / "a")
    rows, _ = made.run(kit, num_others=3)
    assert [row["adaptive_ratio"] for row in rows] == [None, None, None]
    assert not any(row["best"] for row in rows)
    assert rows[0]["l2"] == 0
    rows, _ = made.run(kit, num_others=2)
    assert all(row["adaptive_ratio"] is not None for row in rows)


def naive(made: World, image_id: str, config: dict[str, Any]) -> dict[str, tuple[float, ...]]:
    """Return l2, tiled l2 and ratio of one generation to every work, one pair at a time."""
    rgb = next(row["rgb"] for row in made.made if row["image_id"] == image_id)
    nearest: dict[str, tuple[float, float]] = {}
    for row in sorted(made.images, key=lambda row: row["image_id"], reverse=True):
        pair = (l2(rgb, row["rgb"]), tiled_l2(rgb, row["rgb"]))
        known = nearest.get(row["work_id"], pair)
        nearest[row["work_id"]] = pair if pair[0] <= known[0] else known
    found = {}
    for work_id, (distance, tiled) in nearest.items():
        others = sorted(near for other, (near, _) in nearest.items() if other != work_id)
        mean = sum(others[: config["num_others"]]) / config["num_others"]
        found[work_id] = (distance, tiled, distance / (config["alpha"] * mean))
    return found


@settings(max_examples=25)
@given(
    st.integers(0, 999),
    st.lists(st.integers(0, 7), min_size=5, max_size=14),
    st.sampled_from([2, 20, 256]),
)
def test_values_equal_a_naive_double_loop(
    tmp_path_factory: pytest.TempPathFactory, seed: int, works: list[int], spread: int
) -> None:
    rng = np.random.default_rng(seed)
    made = World()
    for work in [*works, 8, 9, 10]:
        rgb = rng.integers(0, spread, (SIDE, SIDE, 3), np.uint8)
        made.work(f"w{work:02}", rgb, rng.choice(["train", "control"]))
    for k in range(3):
        made.generation(f"g{k}", rng.integers(0, spread, (SIDE, SIDE, 3), np.uint8))
    knobs = {"num_others": 3, "alpha": 0.5}
    kit, _ = made.index(tmp_path_factory.mktemp("index") / "a")
    rows, _ = made.run(kit, **knobs, num_nearest=20)
    for k in range(3):
        expected = naive(made, f"g{k}", knobs)
        found = {row["work_id"]: row for row in rows if row["made_id"] == f"g{k}"}
        assert found.keys() == expected.keys()
        for work_id, values in expected.items():
            row = found[work_id]
            given_back = (row["l2"], row["tiled_l2"], row["adaptive_ratio"])
            assert given_back == pytest.approx(values, rel=1e-6)
        assert min(expected, key=lambda work: expected[work][2]) in best_of(rows, f"g{k}")


def test_rows_do_not_depend_on_order_parts_or_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world(12)
    for k in range(10):
        made.generation(f"g{k}", noise(k + 5), prompt_id=f"p{k % 3}", sample=k)
        made.prompts.append({"prompt_id": f"p{k % 3}", "work_id": "w7"})
        row = {"image_id": f"g{k}", "neighbor_id": "n", "work_id": "w2", "similarity": 0.5}
        made.neighbors.append(row)
    together, _ = made.run(made.index(tmp_path / "a")[0])

    turned = World(made.images[::-1], made.made[::-1], made.neighbors[::-1], made.prompts[::-1])
    monkeypatch.setattr("stages.images.compare._BLOCK_VALUES", 30)
    kit, _ = turned.index(tmp_path / "b")
    backwards, _ = turned.run(kit)
    apart = []
    for prompt_id in ("p0", "p1", "p2"):
        rows = [row for row in made.made if row["prompt_id"] == prompt_id]
        part = World(made.images, rows, made.neighbors, made.prompts)
        apart += part.run(kit)[0]

    def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: (row["made_id"], row["work_id"]))

    assert in_order(together) == in_order(backwards) == in_order(apart)
    for name in ("pixels.npy", "rows.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_generations_are_compared_at_the_side_of_the_index(tmp_path: Path) -> None:
    made = World()
    for k in range(6):
        made.work(f"w{k}", pixels.resize(noise(k, 4), 40 + k))
    made.generation("g", pixels.resize(noise(2, 4), 64))
    rows, _ = made.run(made.index(tmp_path / "a", side=16)[0])
    assert best_of(rows, "g") == ["w2"]
    assert rows[0]["l2"] < 0.05


def test_the_index_holds_one_row_per_work_half_and_digest(tmp_path: Path) -> None:
    made = World()
    for half in ("train", "train", "control"):
        made.work("w0", noise(0), half, sha256="s0", mixed=True)
    made.work("w0", noise(1), sha256="s1", mixed=True)
    made.work("w1", noise(0), sha256="s0", image_id="a")
    made.index(tmp_path / "a")
    rows = pq.read_table(tmp_path / "a" / "rows.parquet").to_pylist()
    stored = np.load(tmp_path / "a" / "pixels.npy")
    ids = [row["image_id"] for row in rows]
    assert ids == ["w0.0000", "w0.0002", "w0.0003", "a"]
    assert [row["half"] for row in rows] == ["train", "control", "train", "train"]
    assert [row["mixed"] for row in rows] == [True, True, True, False]
    assert stored.dtype == np.uint8
    np.testing.assert_array_equal(stored[2], noise(1).ravel())


def test_images_that_do_not_decode_are_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    made = world()
    broken = pixels.encode_png(noise(0))[:80]
    made.images[2]["bytes"] = broken
    kit, rejected = made.index(tmp_path / "a")
    assert [(bad.key, bad.code) for bad in rejected] == [("w2.0002", "truncated")]
    made.generation("bad", noise(1), bytes=broken)
    made.generation("good", noise(3))
    made.neighbors = [
        {"image_id": "good", "neighbor_id": "n", "work_id": "w2", "similarity": 0.5},
    ]
    rows, rejected = made.run(kit)
    assert best_of(rows, "good") == ["w3"]
    assert {row["made_id"] for row in rows} == {"good"}
    assert [(bad.key, bad.code) for bad in rejected] == [
        ("bad", "truncated"),
        ("good", "missing-work"),
    ]
    assert "w2" in rejected[1].message


def test_an_index_in_which_nothing_decoded_matches_nothing(tmp_path: Path) -> None:
    made = World()
    made.work("w0", noise(0), bytes=b"nothing")
    made.generation("g", noise(0))
    kit, rejected = made.index(tmp_path / "a")
    assert len(rejected) == 1
    assert made.run(kit) == ([], [])


def test_no_generations_give_no_rows(tmp_path: Path) -> None:
    made = world()
    assert made.run(made.index(tmp_path / "a")[0]) == ([], [])


def test_an_index_of_nothing_and_a_missing_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="expected images to compare with, got none"):
        World().index(tmp_path / "a")
    works = of(WORKS, world().images, INDEX.reads["works"].names)
    images = of(IMAGES, world().images[1:], INDEX.reads["images"].names)
    inputs = {"images": [images], "works": [works]}
    with pytest.raises(StageError, match=r"1 images of works are missing, w0.0000 for one"):
        list(INDEX.run(inputs, IndexPixelsConfig(), Kit(folder=tmp_path)))


@pytest.mark.parametrize(
    "knobs",
    [{"num_others": 0}, {"alpha": 0.0}, {"alpha": float("nan")}, {"num_nearest": 0}],
)
def test_impossible_knobs_are_refused(knobs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(knobs))}: expected"):
        CompareConfig(**knobs)
    with pytest.raises(ValueError, match="side: expected at least 4 pixels, got 3"):
        IndexPixelsConfig(side=3)
