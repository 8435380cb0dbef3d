"""Score: every method of the table by its name alone, and what is refused before anything runs."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.errors import CaseError
from pipeline.parse import parse
from stages.contract import Kit, StageError
from stages.images import index_pixels, score
from stages.images.hashing import pdq_of
from stages.images.index_pixels import IndexPixelsConfig
from stages.images.score_pairs import Shelf as Given
from stages.images.score_pairs import training_rows
from stages.images.score_rows import Group, Work
from stages.images.scoring import MEASURED, DescriptorConfig, ScoreConfig, scorable
from stages.images.shown import Network, Originals, hash_of, squares_of
from stages.methods import descriptor, webster
from stages.methods.table import METHODS, Method
from stages.models.files import ModelRef, model_digest
from stages.pixels import encode_png
from stages.tables import GENERATIONS, IMAGES, MATCHES, PROMPTS, SCORES, WORKS
from tests.stages.test_score_planted import Pictures, given, of

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.* is deprecated")

SIDE = 64
CHOICE = [name for name, method in METHODS.items() if scorable(method) and name not in MEASURED]
OWN = {"train": "w0", "control": "w1"}


def noise(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (8, 8, 3), np.uint8)
    return np.repeat(np.repeat(blocks, 8, axis=0), 8, axis=1)


WORKS_RGB = {f"w{n}": noise(n) for n in range(6)}
MADE = {"g0": noise(0), "g1": noise(50), "g2": noise(51), "g3": noise(52)}


class Flat(torch.nn.Module):
    """A descriptor: the picture in 16 cells; of a picture of any size."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(pictures, 4).flatten(1)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    path = tmp_path_factory.mktemp("net") / "flat.torchscript.pt"
    torch.jit.trace(Flat(), torch.zeros(1, 3, 8, 8)).save(path)
    return ModelRef(path=str(path), torchscript=True)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    folder = tmp_path_factory.mktemp("index")
    rows = [
        {"image_id": name, "work_id": name, "sha256": name, "mixed": False}
        | {"half": "control" if int(name[1]) % 2 else "train", "bytes": encode_png(rgb)}
        | dict(zip(("pdq", "pdq_quality"), pdq_of(rgb), strict=True))
        for name, rgb in WORKS_RGB.items()
    ]
    inputs = {
        "images": [given(index_pixels.STAGE, "images", IMAGES, rows)],
        "works": [given(index_pixels.STAGE, "works", WORKS, rows)],
    }
    list(index_pixels.STAGE.run(inputs, IndexPixelsConfig(side=32), Kit(folder=folder)))
    images = of(IMAGES, rows, score.STAGE.uses["originals"].names)
    return Kit(folders={"pixels": folder}, datasets={"originals": Pictures(images)})


def scored(kit: Kit, **knobs: Any) -> list[dict[str, Any]]:
    """Return SCORES of four generations of one prompt, each compared with every work."""
    made = [
        {"image_id": name, "model_id": "m", "prompt_id": "p", "sample": n}
        | {"phase": "confirmation", "bytes": encode_png(rgb)}
        for n, (name, rgb) in enumerate(MADE.items())
    ]
    matches = [
        {"made_id": name, "work_id": work, "neighbor_id": work, "similarity": None, "l2": 0.1}
        | {"half": "control" if int(work[1]) % 2 else "train"}
        for name in MADE
        for work in WORKS_RGB
    ]
    inputs = {
        "images": given(score.STAGE, "images", GENERATIONS, made),
        "matches": given(score.STAGE, "matches", MATCHES, matches),
        "prompts": given(
            score.STAGE, "prompts", PROMPTS, [{"prompt_id": "p", "work_id": "w0", "half": "train"}]
        ),
    }
    config = ScoreConfig(**({"num_others": 4} | knobs))
    out = score.STAGE.run(inputs, score.STAGE.open(config, kit))
    return SCORES.check(out.rows).to_pylist()


def test_every_method_that_can_be_asked_for_is_scored(kit: Kit, network: ModelRef) -> None:
    rows = scored(kit, methods=tuple(CHOICE), descriptor=DescriptorConfig(model=network))
    assert {row["method"] for row in rows} == set(CHOICE)
    for name in CHOICE:
        about = [row for row in rows if row["method"] == name]
        between = METHODS[name].compares == "between"
        assert {row["made_id"] for row in about} == ({None} if between else set(MADE))
        assert "w0" in {row["work_id"] for row in about}
        assert all(row["score"] is None or math.isfinite(row["score"]) for row in about)


def test_scores_are_those_of_the_method(kit: Kit, network: ModelRef) -> None:
    asked = ("pdq", "webster_mv", "sscd")
    rows = scored(kit, methods=asked, descriptor=DescriptorConfig(model=network))
    found = {(row["made_id"], row["work_id"], row["method"]): row["score"] for row in rows}
    assert found["g0", "w0", "pdq"] == 0
    assert found["g0", "w0", "webster_mv"] == 0
    assert found["g0", "w0", "sscd"] == pytest.approx(1)
    squares = squares_of([MADE["g1"], WORKS_RGB["w3"]])
    assert found["g1", "w3", "webster_mv"] == pytest.approx(webster.mv(squares[0], squares[1:])[0])
    bits = np.bitwise_count(hash_of(MADE["g1"]).hashes_NB ^ hash_of(WORKS_RGB["w3"]).hashes_NB)
    assert found["g1", "w3", "pdq"] == bits.sum()
    assert found["g1", "w3", "sscd"] < 0.999


def test_a_new_method_is_one_line_of_the_table(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Method("training", "smaller", "pixels", "l2:to_each", "verbatim", None, "somebody")
    monkeypatch.setitem(METHODS, "brand_new", line)
    rows = scored(kit, methods=("brand_new",))
    (same,) = [row for row in rows if (row["made_id"], row["work_id"]) == ("g0", "w0")]
    assert (same["score"], same["half"], same["neighbor_id"]) == (0, "train", "w0")
    assert len(rows) == len(MADE) * len(WORKS_RGB)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_method_that_gives_no_number_stops_the_run(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    monkeypatch.setattr(Method, "load", lambda _: lambda _, works: [bad] * len(works))
    with pytest.raises(StageError, match=f"webster_mv gave {bad} for g0"):
        scored(kit, methods=("webster_mv",))


def test_a_method_that_loses_a_work_stops_the_run(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Method, "load", lambda _: lambda _, works: [0.0] * (len(works) - 1))
    with pytest.raises(StageError, match="webster_mv gave 5 scores for 6 works"):
        scored(kit, methods=("webster_mv",))


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (["wen"], "wen: it looks inside the model, so it is triage and no evidence"),
        (["losses"], "losses: no such method; expected some of clique, descriptor_mean"),
        (["adaptive_ratio"], "adaptive_ratio: every case has it; leave it out"),
        (["edges"], "edges: it needs one_step, which no step makes"),
        (["webster_tv"], "webster_tv: it needs pixels masks, which no step makes"),
        (["sscd"], "sscd needs `score.descriptor`, got none"),
        (["pdq", "pdq"], "expected names, each once"),
        ([], "expected names, each once"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_the_case(methods: list[str], message: str) -> None:
    with pytest.raises(CaseError, match=message):
        parse({"methods": methods}, ScoreConfig, at="score")


def test_knobs_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"score\.num_others: expected 1 or more, got 0"):
        ScoreConfig(methods=("template",), num_others=0)
    with pytest.raises(ValueError, match=r"score\.per_half: expected 1 or more, got 0"):
        ScoreConfig(methods=("partial",), per_half=0)
    with pytest.raises(ValueError, match="no pipeline is called 'sscd'; expected one of"):
        DescriptorConfig(model=ModelRef(path="x"), pipeline="sscd")


def test_too_few_works_for_a_scale_are_said_before_anything_is_scored(kit: Kit) -> None:
    with pytest.raises(StageError, match="measures a work by 50 others, and there are 6 works"):
        scored(kit, methods=("template",), num_others=50)


def group(rgb_HWC: np.ndarray) -> Group:
    match = {"work_id": "w0", "half": "train", "neighbor_id": "w0"}
    nobody = Work(None, None, None)
    return Group("m", "p", "confirmation", nobody, {"g": rgb_HWC}, {"g": 0}, {"g": [match]})


def test_a_vector_without_direction_has_no_score(kit: Kit) -> None:
    mean = Network(lambda rgb: rgb.mean(axis=(0, 1), dtype=np.float32), "a", "own")
    given_to = Given(Originals(kit.datasets["originals"]), mean, SIDE)
    (row,) = training_rows("sscd", group(np.zeros((8, 8, 3), np.uint8)), given_to)
    assert row["score"] is None
    (row,) = training_rows("sscd", group(MADE["g0"]), given_to)
    assert row["score"] == pytest.approx(1)


def test_mixed_descriptor_versions_are_refused() -> None:
    def describe(rgb_HWC: np.ndarray) -> np.ndarray:
        return rgb_HWC.mean(axis=(0, 1), dtype=np.float32)

    old = Network(describe, "digest-1", "sscd_skew").one(MADE["g1"])
    for other in (
        Network(describe, "digest-2", "sscd_skew"),
        Network(describe, "digest-1", "dcr"),
    ):
        with pytest.raises(ValueError, match="not comparable; describe all pictures with one"):
            descriptor.to_each(old, other.each(WORKS_RGB))


def test_the_network_is_known_by_its_file(network: ModelRef, kit: Kit) -> None:
    config = ScoreConfig(methods=("sscd",), descriptor=DescriptorConfig(model=network))
    tools = score.STAGE.open(config, kit)
    assert tools.shelf.network is not None
    vectors = tools.shelf.network.one(MADE["g0"])
    assert (vectors.network, vectors.pipeline) == (model_digest(network), "sscd_skew")


def test_a_broken_generation_is_rejected_and_the_others_are_scored(kit: Kit) -> None:
    rows = [
        {"image_id": name, "model_id": "m", "prompt_id": "p", "sample": 0}
        | {"phase": "confirmation", "bytes": data}
        for name, data in (("good", encode_png(MADE["g0"])), ("bad", b"no picture"))
    ]
    match = {"work_id": "w0", "half": "train", "neighbor_id": "w0", "similarity": 0.5, "l2": 0.1}
    inputs = {
        "images": given(score.STAGE, "images", GENERATIONS, rows),
        "matches": given(score.STAGE, "matches", MATCHES, [match | {"made_id": "good"}]),
        "prompts": given(score.STAGE, "prompts", PROMPTS, []),
    }
    out = score.STAGE.run(inputs, score.STAGE.open(ScoreConfig(methods=("pdq",)), kit))
    assert [(bad.key, bad.code) for bad in out.rejected] == [("bad", "not-an-image")]
    assert out.rows["made_id"].to_pylist() == ["good"]
