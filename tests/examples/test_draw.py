"""The demo's corpus: what its key says about the pictures is true of the pictures."""

import importlib
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

DEMO = Path(__file__).parents[2] / "examples" / "demo"


@pytest.fixture(scope="module")
def drawing() -> Iterator[ModuleType]:
    """Import draw.py as a script in its own folder would be, and leave no trace of it."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DEMO))
        module = importlib.import_module("draw")
        yield module
    for name in set(sys.modules) - before:
        if name == "draw" or name.partition(".")[0] == "styles":
            del sys.modules[name]


@pytest.fixture(scope="module")
def full_sizes(drawing: ModuleType) -> dict[str, int]:
    """Keep the sizes of the real corpus, before they are shrunk for the other tests."""
    names = ("SINGLE_PAIRS", "NEAR_DUPLICATE_PAIRS", "FAMILY_ARTISTS", "FAMILY_SIZE")
    return {name: getattr(drawing, name) for name in names}


@pytest.fixture(scope="module")
def small(drawing: ModuleType, full_sizes: dict[str, int]) -> Iterator[ModuleType]:
    """Shrink the number of units: the rules are the same and it takes a few seconds."""
    assert full_sizes["SINGLE_PAIRS"] > 6
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "SINGLE_PAIRS", 6)
        patch.setattr(drawing, "NEAR_DUPLICATE_PAIRS", 1)
        patch.setattr(drawing, "FAMILY_ARTISTS", 2)
        yield drawing


@pytest.fixture(scope="module")
def corpus(small: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    small.draw(folder, 7)
    return folder


@pytest.fixture(scope="module")
def works(corpus: Path) -> list[dict[str, Any]]:
    key = json.loads((corpus / "key.json").read_text(encoding="utf-8"))
    assert key["seed"] == 7
    return list(key["works"])


@pytest.fixture(scope="module")
def pictures(corpus: Path) -> dict[str, np.ndarray]:
    """Every distinct picture of both tables, as numbers from 0 to 1, by the digest of its bytes."""
    files = {file for half in ("train", "control") for file in rows(corpus, half)["image"]}
    return {sha256(file).hexdigest(): decoded(file) for file in files}


def rows(corpus: Path, half: str) -> dict[str, list[Any]]:
    return dict(pq.read_table(corpus / f"{half}.parquet").to_pydict())


def decoded(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (64, 64))
        return np.asarray(image, dtype=np.float64) / 255


def apart(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.sqrt(((first - second) ** 2).mean()))


def groups(works: list[dict[str, Any]], field: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for work in works:
        if work[field] is not None:
            found.setdefault(work[field], []).append(work)
    return found


def test_command_line_writes_the_same_bytes_again_and_a_contact_sheet(
    small: ModuleType, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    small.main([str(out), "--sheet", str(tmp_path / "sheet.png")])
    names = ["control.parquet", "key.json", "train.parquet"]
    assert sorted(path.name for path in out.iterdir()) == names
    for name in names:
        assert (out / name).read_bytes() == (corpus / name).read_bytes()
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size == (14 * 136 + 8, len(small.ARTISTS) * 136 + 8)
    assert "training rows" in capsys.readouterr().out


def test_another_seed_draws_other_pictures(
    small: ModuleType, works: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small, "ARTISTS", small.ARTISTS[-2:])
    monkeypatch.setattr(small, "REPEATED", {4: 2})
    other = {sha256(work.png).hexdigest() for work in small.works(8)}
    assert len(other) == 2 * (2 * 6 + 4 + 2 * 6)
    assert other.isdisjoint(work["sha256"] for work in works)


def test_full_size_reaches_six_hundred_in_each_half(
    drawing: ModuleType, full_sizes: dict[str, int]
) -> None:
    artists = len(drawing.ARTISTS)
    half = (
        artists * full_sizes["SINGLE_PAIRS"]
        + 2 * artists * full_sizes["NEAR_DUPLICATE_PAIRS"]
        + full_sizes["FAMILY_ARTISTS"] * full_sizes["FAMILY_SIZE"]
    )
    assert artists >= 8
    assert half >= 600


def test_halves_are_exchangeable_pair_by_pair(works: list[dict[str, Any]]) -> None:
    for pair in groups(works, "pair").values():
        units = groups(pair, "unit")
        assert len(units) == 2
        assert len({(work["artist"], work["kind"]) for work in pair}) == 1
        assert {tuple({work["half"] for work in unit}) for unit in units.values()} == {
            ("train",),
            ("control",),
        }
    first_of_pair = Counter(work["half"] for work in works if work["unit"].endswith("-a"))
    assert min(first_of_pair.values()) >= 15


def test_tables_hold_every_work_as_often_as_the_key_says(
    corpus: Path, works: list[dict[str, Any]]
) -> None:
    for half in ("train", "control"):
        table = rows(corpus, half)
        digests = Counter(sha256(file).hexdigest() for file in table["image"])
        said = {work["sha256"]: work["times"] for work in works if work["half"] == half}
        assert digests == said
        assert len(set(table["url"])) == len(table["url"])
        captions = {work["sha256"]: work["caption"] for work in works}
        for file, caption in zip(table["image"], table["caption"], strict=True):
            assert captions[sha256(file).hexdigest()] == caption
    assert all(work["times"] == 1 for work in works if work["half"] == "control")


def test_no_control_picture_is_in_the_training_table(
    corpus: Path, works: list[dict[str, Any]]
) -> None:
    trained = {sha256(file).hexdigest() for file in rows(corpus, "train")["image"]}
    control = {work["sha256"] for work in works if work["half"] == "control"}
    assert control
    assert trained.isdisjoint(control)


def test_schema_and_row_groups(corpus: Path) -> None:
    file = pq.ParquetFile(corpus / "train.parquet")
    kinds = {field.name: str(field.type) for field in file.schema_arrow}
    texts = dict.fromkeys(("caption", "title", "artist", "licence", "url"), "string")
    assert kinds == {"image": "large_binary", "year": "int32", **texts}
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert set(sizes[:-1]) == {64}
    assert file.metadata.row_group(0).column(0).compression == "UNCOMPRESSED"


def test_repeats_are_counted_and_dealt_round_the_artists(
    small: ModuleType, works: list[dict[str, Any]]
) -> None:
    singles = [work for work in works if work["kind"] == "single"]
    times = Counter(work["times"] for work in singles)
    assert {count: times[count] for count in (64, 16, 4)} == {64: 16, 16: 16, 4: 24}
    for count in (64, 16, 4):
        dealt = Counter(work["artist"] for work in singles if work["times"] == count)
        assert max(dealt.values()) - min(dealt.values()) <= 1
        assert len(dealt) == len(small.ARTISTS)
    often = groups([w for w in works if w["kind"] == "family" and w["times"] == 16], "family")
    assert [len(members) for members in often.values()] == [6, 6]
    assert all(work["times"] == 1 for work in works if work["kind"] == "near_duplicate")


def test_titles_are_unique_and_captions_are_built_from_few_words(
    works: list[dict[str, Any]],
) -> None:
    titles = [work["title"] for work in works if not work["near_duplicate_of"]]
    assert len(set(titles)) == len(titles)
    words = {word for work in works for word in work["caption"].split()}
    assert len(words) <= 400
    assert all(work["caption"] == f"{work['title']} by {work['artist']}" for work in works)
    assert any(not work["artist"].isascii() for work in works)


def test_no_title_word_belongs_to_two_artists(
    small: ModuleType, full_sizes: dict[str, int]
) -> None:
    words = [word for artist in small.ARTISTS for word in (*artist.adjectives, *artist.nouns)]
    assert [word for word, count in Counter(words).items() if count > 1] == []
    full = 2 * (
        full_sizes["SINGLE_PAIRS"] + full_sizes["NEAR_DUPLICATE_PAIRS"] + full_sizes["FAMILY_SIZE"]
    )
    assert all(len(a.adjectives) * len(a.nouns) >= full for a in small.ARTISTS)


def test_family_members_share_every_pixel_outside_their_window(
    works: list[dict[str, Any]], pictures: dict[str, np.ndarray]
) -> None:
    families = groups(works, "family")
    assert len(families) == 4
    for members in families.values():
        left, top, right, bottom = members[0]["region"]
        window = np.zeros((64, 64), dtype=bool)
        window[top:bottom, left:right] = True
        first = pictures[members[0]["sha256"]]
        assert len({member["title"] for member in members}) == len(members) == 6
        for member in members[1:]:
            other = pictures[member["sha256"]]
            np.testing.assert_array_equal(first[~window], other[~window])
            assert apart(first[window], other[window]) > 0.1


def test_near_duplicates_are_close_to_their_original_but_not_equal(
    works: list[dict[str, Any]], pictures: dict[str, np.ndarray]
) -> None:
    by_id = {work["work"]: work for work in works}
    copies = [work for work in works if work["near_duplicate_of"]]
    assert len(copies) == 20
    for copy in copies:
        original = by_id[copy["near_duplicate_of"]]
        assert (copy["unit"], copy["caption"]) == (original["unit"], original["caption"])
        first, second = pictures[original["sha256"]], pictures[copy["sha256"]]
        assert first.shape == second.shape
        assert apart(first, second) > 0
        likeness = np.corrcoef(first.ravel(), second.ravel())[0, 1]
        rivals = [
            np.corrcoef(pictures[other["sha256"]].ravel(), second.ravel())[0, 1]
            for other in works
            if other["artist"] == copy["artist"] and other["unit"] != copy["unit"]
        ]
        assert likeness > max(rivals)


def test_works_of_one_artist_are_far_apart(
    small: ModuleType, works: list[dict[str, Any]], pictures: dict[str, np.ndarray]
) -> None:
    for own in groups([work for work in works if work["kind"] == "single"], "artist").values():
        for i, first in enumerate(own):
            for second in own[:i]:
                distance = apart(pictures[first["sha256"]], pictures[second["sha256"]])
                assert distance >= small.MIN_APART - 1e-4
