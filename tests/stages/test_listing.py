import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.contract import StageError
from stages.images.sources import IngestConfig, Source, SourceColumns
from stages.sources import listing
from stages.sources.listing import list_files
from stages.tables import FILES


def files(*paths: str | Path | Source) -> list[dict[str, Any]]:
    sources = [path if isinstance(path, Source) else Source(path=str(path)) for path in paths]
    table = list_files(IngestConfig(sources=tuple(sources)))
    return FILES.check(table).to_pylist()


def names(*paths: str | Path | Source) -> list[str]:
    return [row["path"] for row in files(*paths)]


def write(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"0123456789")


def parquet(path: Path, rows: int = 10, group: int = 1000, **columns: Any) -> None:
    columns = columns or {"image": [b"x" * 100] * rows}
    pq.write_table(pa.table(columns), path, row_group_size=group)


def test_a_folder_with_its_subfolders_in_order(tmp_path: Path) -> None:
    write(
        tmp_path, "b/2.PNG", "a.jpg", "b/10.webp", "b.gif", "z.txt", "z.json", "notes.md", "x.psd"
    )
    write(tmp_path, ".hidden.png", ".cache/1.png", "b/.x/1.png", "c/.DS_Store")
    rows = files(tmp_path)
    assert [row["path"] for row in rows] == ["a.jpg", "b.gif", "b/10.webp", "b/2.PNG", "x.psd"]
    assert rows[0]["place"] == "0:a.jpg"
    assert {(row["source"], row["first"], row["count"]) for row in rows} == {(0, 0, 1)}
    assert rows == files(tmp_path)


def test_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.png", "a.json", "sub/1.png")
    write(tmp_path / "tars", "1.tar")

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("a file was opened")

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    assert names(tmp_path / "sub", tmp_path / "tars", tmp_path / "a.png") == [
        "1.png",
        "1.tar",
        "a.png",
    ]


def test_a_single_file_and_a_kind_that_its_name_does_not_tell(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    parquet(tmp_path / "data")
    rows = files(tmp_path / "a.png", Source(path=str(tmp_path / "data"), kind="parquet"))
    assert [row["place"] for row in rows] == ["0:a.png", "1:data@0"]


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("*.png", ["a.png", "b.png"]),
        ("[a]*", ["a.png"]),
        ("**/*.png", ["a.png", "b.png", "x/c.png", "x/y/d.png"]),
        ("x/*/*.png", ["y/d.png"]),
        ("?.png", ["a.png", "b.png"]),
    ],
)
def test_patterns(tmp_path: Path, pattern: str, wanted: list[str]) -> None:
    write(tmp_path, "a.png", "b.png", "x/c.png", "x/y/d.png", "a.txt", ".h.png", "x/.y/e.png")
    assert names(tmp_path / pattern) == wanted


def test_a_folder_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, "[set]/a.png")
    assert names(tmp_path / "[set]") == ["a.png"]


def test_empty_missing_or_matching_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path, "text/a.md")
    with pytest.raises(StageError, match=r"source 0: .*empty: none of its 0 files"):
        files(tmp_path / "empty")
    with pytest.raises(StageError, match=r"none of its 1 files is of kind folder; expected.*\.png"):
        files(tmp_path / "text")
    with pytest.raises(StageError, match=r"source 1: .*gone does not exist"):
        files(tmp_path / "text" / "a.md", tmp_path / "gone")
    with pytest.raises(StageError, match="none of its 0 files"):
        files(tmp_path / "*.png")
    with pytest.raises(StageError, match="kind webdataset"):
        files(Source(path=str(tmp_path), kind="webdataset"))
    assert files() == []


def test_kinds_are_told_apart_and_doubt_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "wds/00000.tar", "wds/00000_stats.json", "wds/00001.tar.gz")
    parquet(tmp_path / "wds" / "00000.parquet", url=["x"])  # img2dataset's: no images in it
    assert names(tmp_path / "wds") == ["00000.tar", "00001.tar.gz"]
    write(tmp_path, "mixed/a.png")
    parquet(tmp_path / "mixed" / "a.parquet")
    with pytest.raises(StageError, match="1 of kind folder, 1 of kind parquet: say which"):
        files(tmp_path / "mixed")
    assert names(Source(path=str(tmp_path / "mixed"), kind="folder")) == ["a.png"]
    assert names(Source(path=str(tmp_path / "mixed"), kind="parquet")) == ["a.parquet"]


def test_links_that_lead_outside_or_nowhere_are_listed_and_never_followed(tmp_path: Path) -> None:
    write(tmp_path, "out/secret.png", "in/a.png", "in/sub/b.png")
    root = tmp_path / "in"
    (root / "leak.png").symlink_to(tmp_path / "out" / "secret.png")
    (root / "broken.png").symlink_to(tmp_path / "nowhere")
    (root / "loop.png").symlink_to(root / "loop.png")
    (root / "folder").symlink_to(tmp_path / "out")
    (root / "up").symlink_to(root)
    assert names(root) == [
        *("a.png", "broken.png", "folder", "leak.png", "loop.png", "sub/b.png", "up"),
    ]
    assert "leak.png" in names(root / "*.png")


def test_a_folder_named_like_an_image_matched_by_a_pattern_is_listed(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "b.png/inside.png")
    assert names(tmp_path / "*.png") == ["a.png", "b.png"]
    assert names(tmp_path) == ["a.png", "b.png/inside.png"]


def test_two_sources_with_the_same_file_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "x/a.png", "y/a.png")
    assert [row["place"] for row in files(tmp_path / "x", tmp_path / "y")] == ["0:a.png", "1:a.png"]
    with pytest.raises(StageError, match=r"sources 0 and 1 both hold a\.png"):
        files(tmp_path / "x", tmp_path / "x" / "*.png")
    (tmp_path / "again").symlink_to(tmp_path / "x")
    with pytest.raises(StageError, match="both hold"):
        files(tmp_path / "x", tmp_path / "again")


def test_row_groups_are_read_in_runs_of_bounded_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet(tmp_path / "a.parquet", rows=100, group=10)
    assert [(row["first"], row["count"]) for row in files(tmp_path)] == [(0, 10)]
    monkeypatch.setattr(listing, "RUN_ROWS", 35)
    runs = files(tmp_path)
    assert [(row["first"], row["count"]) for row in runs] == [(0, 3), (3, 3), (6, 3), (9, 1)]
    assert [row["place"] for row in runs] == [f"0:a.parquet@{n}" for n in (0, 3, 6, 9)]
    for full, count in ((runs[0]["size"] // 3 * 2, 2), (1, 1)):
        small = replace(SourceColumns.layout, part_bytes=full)
        monkeypatch.setattr(SourceColumns, "layout", small)
        assert {row["count"] for row in files(tmp_path)} == {count}
    assert len(files(tmp_path)) == 10


def test_a_parquet_file_without_rows_or_footer_or_outside(tmp_path: Path) -> None:
    root = tmp_path / "in"
    write(root, "b.parquet")
    parquet(root / "a.parquet", rows=0)
    parquet(tmp_path / "out.parquet", rows=30, group=10)
    (root / "c.parquet").symlink_to(root / "none")
    (root / "d.parquet").symlink_to(tmp_path / "out.parquet")
    places = [(row["place"], row["first"], row["count"]) for row in files(root)]
    assert places == [(f"0:{name}.parquet@0", 0, 1) for name in "abcd"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, r"0 columns 'image'; it has: id, img, caption.*nearest is 'img'"),
        ({"image": "imag"}, r"0 columns 'imag'.*nearest is 'img'"),
        ({"image": "img", "caption": "Caption"}, r"0 columns 'Caption'.*nearest is 'caption'"),
        ({"image": "caption"}, r"column 'caption' is string; expected binary"),
    ],
)
def test_a_missing_column_is_an_error_before_anything_runs(
    tmp_path: Path, columns: dict[str, str], message: str
) -> None:
    parquet(tmp_path / "a.parquet", id=[1], img=[b"x"], caption=["y"])
    with pytest.raises(StageError, match=rf"a\.parquet: {message}"):
        files(Source(path=str(tmp_path), columns=SourceColumns(**columns)))


def test_a_changed_sidecar_or_metadata_file_changes_the_row(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "a/2.png")

    def state() -> list[tuple[int, int]]:
        return [(row["size"], row["mtime_ns"]) for row in files(tmp_path)]

    seen = [state()]
    for number, name in enumerate(["1.json", "1.png.txt", "metadata.csv", "../metadata.jsonl"]):
        write(tmp_path / "a", name)
        os.utime(tmp_path / "a" / name, ns=(0, (2_000_000_000 + number) * 10**9))
        seen.append(state())
    changed = [
        [old != new for old, new in zip(before, after, strict=True)]
        for before, after in pairwise(seen)
    ]
    assert changed == [[True, False], [True, False], [True, True], [True, True]]
    assert seen[-1][0][0] == 30, "image and its two sidecars"


def test_a_name_that_is_not_utf8_is_listed_in_ascii(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).write_bytes(b"x")
    assert names(tmp_path) == ["caf\\xe9.png"]
