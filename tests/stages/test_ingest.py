import gzip
import json
import os
import struct
import tarfile
import zlib
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.contract import Kit, Out, StageError
from stages.images.hashing import pdq_of
from stages.images.ingest import STAGE, ingest, open_ingest
from stages.images.sources import IngestConfig, Source, SourceColumns
from stages.sources import parquet as read_parquet
from stages.sources.fields import text_of, year_of
from stages.sources.listing import list_files
from stages.sources.places import id_of as image_id_of
from stages.tables import FILES, IMAGES

PDQ_SAME = 31  # the distance below which the authors of PDQ call two images the same
RTL = "\u202b\u05e9\u05dc\u05d5\u05dd\u202c <b>&amp;</b>"


def picture(seed: int = 0, side: int = 24) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (side, side + 8, 3), np.uint8))


def encoded(image: Image.Image, name: str = "PNG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


def png(seed: int = 0) -> bytes:
    return encoded(picture(seed))


def header_only(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    start_of_pixels = struct.pack(">I", 1 << 20) + b"IDAT" + bytes(100)
    return b"\x89PNG\r\n\x1a\n" + chunk + start_of_pixels


def tar_of(path: Path, members: list[tuple[str, bytes]], mode: Any = "w") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
    return path


def config_of(*sources: str | Path | Source, **knobs: Any) -> IngestConfig:
    given_ = [s if isinstance(s, Source) else Source(path=str(s)) for s in sources]
    return IngestConfig(**{"dataset": "train", "sources": tuple(given_)} | knobs)


def run(config: IngestConfig, files: pa.Table | None = None) -> Out:
    listed = list_files(config) if files is None else files
    out = ingest({"files": listed}, open_ingest(config, Kit()))
    IMAGES.check(out.rows)
    keys = [item.key for item in out.rejected]
    assert len(keys) == len(set(keys)), "the table of rejected rows wants one key each"
    return out


def codes(out: Out) -> dict[str, str]:
    return {item.key: item.code for item in out.rejected}


def by_place(out: Out) -> dict[str, dict[str, Any]]:
    return {row["place"]: row for row in out.rows.to_pylist()}


def fields(row: dict[str, Any]) -> dict[str, Any]:
    names = ("caption", "title", "artist", "year", "licence", "url")
    return {name: row[name] for name in names if row[name] is not None}


# folders


def test_a_folder_with_sidecars_and_metadata(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.png").write_bytes(png(number))
    (tmp_path / "0.json").write_text(
        json.dumps({"caption": "from json", "url": "u", "year": 1889, "license": "CC0", "other": 1})
    )
    (tmp_path / "0.txt").write_text("from txt")
    (tmp_path / "1.txt").write_text("from txt\n")
    (tmp_path / "2.png.json").write_text(json.dumps({"title": "T", "artist": "A"}))
    (tmp_path / "3.txt").write_text("\n")
    head = "file_name,text,title\n"
    (tmp_path / "metadata.csv").write_text(
        head + '1.png,from csv,C1\n./4.png,"a, ""b""",\n4.png,second,\n'
    )
    out = run(config_of(tmp_path))
    assert not out.rejected
    assert {row["place"]: fields(row) for row in out.rows.to_pylist()} == {
        "0:0.png": {"caption": "from json", "url": "u", "year": 1889, "licence": "CC0"},
        "0:1.png": {"caption": "from txt", "title": "C1"},
        "0:2.png": {"title": "T", "artist": "A"},
        "0:3.png": {},
        "0:4.png": {"caption": 'a, "b"'},
        "0:5.png": {},
    }


def test_each_row_says_what_the_image_is(tmp_path: Path) -> None:
    data = encoded(picture(), "JPEG", quality=95)
    (tmp_path / "a.jpg").write_bytes(data)
    (row,) = run(config_of(tmp_path)).rows.to_pylist()
    assert row["bytes"] == data, "untouched"
    assert row["sha256"] == sha256(data).hexdigest()
    assert (row["format"], row["width"], row["height"]) == ("jpeg", 32, 24)
    assert row["image_id"] == image_id_of("train", 0, "a.jpg", "", 0)
    assert len(row["pdq"]) == 64
    assert 0 <= row["pdq_quality"] <= 100


def test_metadata_above_the_image_and_the_nearest_one_first(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "a" / name).write_bytes(png())
    rows = [{"file_name": "a/1.png", "caption": "far"}, {"file_name": "a/2.png", "caption": "far"}]
    lines = "\n".join(json.dumps(row) for row in rows) + "\n\n"
    (tmp_path / "metadata.jsonl").write_text(lines)
    (tmp_path / "a" / "metadata.csv").write_text("file_name,caption\n1.png,near\n")
    found = by_place(run(config_of(tmp_path)))
    assert found["0:a/1.png"]["caption"] == "near"
    assert found["0:a/2.png"]["caption"] == "far"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metadata.csv", "filename,text\na.png,x\n", "no 'file_name'.*nearest is 'filename'"),
        ("metadata.jsonl", '{"file_name": "a.png"}\nnope\n', "line 2 is no JSON object"),
        ("metadata.jsonl", "[1]\n", "line 1 is no JSON object"),
        ("metadata.csv", 'file_name,text\na.png,"' + "x" * 200_000 + '"\n', "field larger"),
    ],
)
def test_a_metadata_file_that_cannot_be_used(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / name).write_text(text)
    with pytest.raises(StageError, match=f"{name}.*{message}"):
        run(config_of(tmp_path))


def test_the_case_maps_names(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "metadata.csv").write_text("file,alt,by\na.png,a cat,Ada\n")
    columns = SourceColumns(image="file", caption="alt", artist="by")
    (row,) = run(config_of(Source(path=str(tmp_path), columns=columns))).rows.to_pylist()
    assert fields(row) == {"caption": "a cat", "artist": "Ada"}


def test_a_broken_sidecar_costs_its_fields_and_not_the_image(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.png").write_bytes(png())
    (tmp_path / "a.json").write_text("{broken")
    (tmp_path / "a.txt").write_text("still here")
    (tmp_path / "b.json").write_text("[1, 2]")
    (tmp_path / "c.json").mkdir()
    (tmp_path / "d.json").write_text("[" * 100_000)
    out = run(config_of(tmp_path))
    assert codes(out) == {f"0:{name}.png.json": "sidecar" for name in "abcd"}
    assert [row["caption"] for row in out.rows.to_pylist()] == ["still here", None, None, None]


def test_bad_files_are_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    outside.write_bytes(png())
    root = tmp_path / "in"
    root.mkdir()
    bad = {
        "bomb.png": (header_only(60_000, 60_000), "too-large"),
        "empty.png": (b"", "empty"),
        "eps.eps": (encoded(picture(), "EPS"), "unsupported"),
        "line.png": (encoded(Image.new("RGB", (1, 9))), "too-small"),
        "none.png": (header_only(0, 9), "too-small"),
        "pixel.png": (encoded(Image.new("RGB", (1, 1))), "too-small"),
        "text.png": (b"only a text", "not-an-image"),
        "truncated.jpg": (encoded(picture(), "JPEG")[:-400], "truncated"),
    }
    for name, (data, _) in bad.items():
        (root / name).write_bytes(data)
    (root / "broken.png").symlink_to(root / "nowhere")
    (root / "leak.png").symlink_to(outside)
    (root / "leak.txt").symlink_to(outside)
    (root / "linked").symlink_to(root)
    (root / "loop.png").symlink_to(root / "loop.png")
    (root / "good.png").write_bytes(png())
    (root / "good.txt").symlink_to(outside)
    out = run(config_of(root))
    assert codes(out) == {f"0:{name}": code for name, (_, code) in bad.items()} | {
        "0:broken.png": "unreadable",
        "0:leak.png": "outside",
        "0:linked": "unreadable",
        "0:loop.png": "unreadable",
        "0:good.png.txt": "sidecar",
    }
    assert list(by_place(out)) == ["0:good.png"]
    assert not any(str(tmp_path) in item.message for item in out.rejected), "a case can move"


def test_a_file_that_is_gone_or_a_folder_by_now(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(png())
    config = config_of(tmp_path)
    listed = list_files(config)
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.png").unlink()
    (tmp_path / "b.png").mkdir()
    out = run(config, listed)
    assert codes(out) == {"0:a.png": "unreadable", "0:b.png": "unreadable"}
    assert list(by_place(out)) == ["0:c.png"]


def test_a_failing_disk_is_not_the_fault_of_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(png())
    config = config_of(tmp_path)
    listed = list_files(config)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(OSError, match="Input/output"):
        run(config, listed)


def test_ordinary_oddities_are_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "green")]
    odd = {
        "animated.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "cmyk.jpg": encoded(picture().convert("CMYK"), "JPEG"),
        "deep.png": encoded(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 999)),
        "see-through.png": encoded(picture().convert("RGBA")),
        "turned.JPEG": encoded(picture(), "JPEG", exif=turned()),
    }
    for name, data in odd.items():
        (tmp_path / name).write_bytes(data)
    out = run(config_of(tmp_path))
    assert not out.rejected
    found = by_place(out)
    assert {place: row["format"] for place, row in found.items()} == {
        "0:animated.gif": "gif",
        "0:cmyk.jpg": "jpeg",
        "0:deep.png": "png",
        "0:see-through.png": "png",
        "0:turned.JPEG": "jpeg",
    }
    assert all(row["bytes"] == odd[place[2:]] for place, row in found.items())
    assert (found["0:turned.JPEG"]["width"], found["0:turned.JPEG"]["height"]) == (24, 32)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_hostile_captions_are_kept_as_delivered(tmp_path: Path) -> None:
    captions = ["x" * 10_000, "<script>alert('x')</script>", RTL, "two\nlines\t", "=1+1"]
    for number, caption in enumerate(captions):
        (tmp_path / f"{number}.png").write_bytes(png(number))
        (tmp_path / f"{number}.json").write_text(json.dumps({"caption": caption}))
    odd = {"nul": '"a\\u0000b"', "lone": '"a\\ud800b"', "pair": '"\\ud83c\\udf3b"', "nan": "NaN"}
    for name, text in odd.items():
        (tmp_path / f"{name}.png").write_bytes(png())
        (tmp_path / f"{name}.json").write_text(f'{{"caption": {text}}}')
    (tmp_path / "latin.png").write_bytes(png())
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\r\n")
    found = {
        place[2:-4]: row["caption"] for place, row in by_place(run(config_of(tmp_path))).items()
    }
    assert [found[str(number)] for number in range(len(captions))] == captions
    assert found["nul"] == found["lone"] == "a\ufffdb"
    assert found["pair"] == "\U0001f33b"
    assert found["nan"] is None
    assert found["latin"] == "caf\ufffd"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_stored(text: str) -> None:
    found = text_of(text)
    assert found is None or found.encode()
    if text.strip() and "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text):
        assert found == text


@pytest.mark.parametrize(
    ("value", "year"),
    [(None, None), ("", None), ("19th c.", None), (99999, None), ("-44", -44), (1e9, None)],
)
def test_years(value: Any, year: int | None) -> None:
    assert year_of(value) == year


# tars


def sample(key: str, seed: int = 0, **said: Any) -> list[tuple[str, bytes]]:
    return [
        (f"{key}.jpg", encoded(picture(seed), "JPEG")),
        (f"{key}.json", json.dumps(said | {"key": key, "status": "success"}).encode()),
        (f"{key}.txt", str(said.get("caption", "")).encode()),
    ]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_of_img2dataset(tmp_path: Path, mode: str) -> None:
    members = sample("000000000", 1, caption=RTL, url="http://a") + sample("sub/000000001", 2)
    members += [("._000000002.jpg", b"resource fork"), ("000000003.txt", b"alone")]
    members += [("000000004.json", b'{"caption": "first"}'), ("000000004.x.png", png(4))]
    tar_of(tmp_path / "00000.tar", members, mode)
    out = run(config_of(tmp_path))
    assert not out.rejected
    found = by_place(out)
    assert list(found) == [
        "0:00000.tar!000000000.jpg",
        "0:00000.tar!sub/000000001.jpg",
        "0:00000.tar!000000004.x.png",
    ]
    first = found["0:00000.tar!000000000.jpg"]
    assert fields(first) == {"caption": RTL, "url": "http://a"}
    assert first["bytes"] == members[0][1]
    assert first["image_id"] == image_id_of("train", 0, "00000.tar", "000000000.jpg", 0)
    assert found["0:00000.tar!000000004.x.png"]["caption"] == "first"


def test_bad_members_are_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("1.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        folder = tarfile.TarInfo("2.png")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, data in [
            ("3.png", b"text"),
            ("4.json", b"{"),
            ("4.png", png()),
            ("5.png", png() + bytes(5000)),
            ("6.png", png(6)),
            ("6.png", png(7)),
            ("6.png", png(8)),
        ]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, BytesIO(data))
    out = run(config_of(path, max_bytes=5000))
    assert codes(out) == {
        "0:a.tar!1.jpg": "unreadable",
        "0:a.tar!3.png": "not-an-image",
        "0:a.tar!4.json": "sidecar",
        "0:a.tar!5.png": "too-large",
        "0:a.tar!6.png": "repeated",
        "0:a.tar!6.png (2)": "repeated",
    }
    found = by_place(out)
    assert list(found) == ["0:a.tar!4.png", "0:a.tar!6.png"]
    assert found["0:a.tar!6.png"]["bytes"] == png(6)


@settings(max_examples=40)
@given(st.floats(0, 1, exclude_max=True))
def test_a_tar_cut_anywhere_keeps_a_prefix_and_says_so(
    tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    members = [member for n in range(5) for member in sample(str(n), n, caption=f"c{n}")]
    whole = tar_of(folder / "whole", members).read_bytes()
    end = whole.rstrip(b"\0")
    (folder / "a.tar").write_bytes(whole[: int(share * (len(end) + 500))])
    out = run(config_of(folder / "a.tar"))
    assert codes(out) == {"0:a.tar": "truncated"}
    captions = out.rows["caption"].to_pylist()
    kept = len(captions)
    assert out.rows["place"].to_pylist() == [f"0:a.tar!{n}.jpg" for n in range(kept)]
    # only the sample that was being read may lack the caption that was cut off
    assert captions[:-1] == [f"c{n}" for n in range(kept)][:-1]
    whole_kept = sum(whole.find(f"{n}.txt".encode()) + 1024 <= share * len(end) for n in range(5))
    assert kept >= whole_kept


def test_a_tar_cut_exactly_between_two_members(tmp_path: Path) -> None:
    tar_of(tmp_path / "a.tar", [("1.png", png())])
    data = (tmp_path / "a.tar").read_bytes()
    size = 512 + (len(png()) + 511) // 512 * 512
    (tmp_path / "a.tar").write_bytes(data[:size])
    out = run(config_of(tmp_path))
    assert codes(out) == {"0:a.tar": "truncated"}
    assert out.rows.num_rows == 1


def test_a_damaged_header_inside_a_tar_is_not_its_end(tmp_path: Path) -> None:
    tar_of(tmp_path / "a.tar", [("1.png", png(1)), ("2.png", png(2)), ("3.png", png(3))])
    data = bytearray((tmp_path / "a.tar").read_bytes())
    where = data.find(b"2.png")
    data[where + 148 : where + 156] = b"99999999"
    (tmp_path / "a.tar").write_bytes(data)
    out = run(config_of(tmp_path))
    assert list(by_place(out)) == ["0:a.tar!1.png"]
    assert codes(out) == {"0:a.tar": "truncated"}
    assert "1 images before it are kept" in out.rejected[0].message


def test_tars_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"")
    (tmp_path / "b.tar").write_bytes(b"a text file named tar" * 100)
    whole = gzip.compress(
        tar_of(tmp_path / "x", [("1.png", png(1)), ("2.png", png(2))]).read_bytes()
    )
    (tmp_path / "c.tar.gz").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "d.tar").symlink_to(tmp_path / "nowhere")
    (tmp_path / "e.tar").mkdir()
    tar_of(tmp_path / "f.tar", [("readme.md", b"hello")])
    out = run(config_of(tmp_path / "*.tar*"))
    assert codes(out) == {
        "0:a.tar": "truncated",
        "0:b.tar": "truncated",
        "0:c.tar.gz": "truncated",
        "0:d.tar": "unreadable",
        "0:e.tar": "unreadable",
        "0:f.tar": "empty",
    }
    assert list(by_place(out)) == ["0:c.tar.gz!1.png"]


def test_a_member_name_that_is_not_utf8(tmp_path: Path) -> None:
    tar_of(tmp_path / "a.tar", [("caf\udce9.png", png())])
    out = run(config_of(tmp_path))
    assert list(by_place(out)) == ["0:a.tar!caf\\xe9.png"]


# Parquet


def write_parquet(path: Path, group: int = 1000, **columns: Any) -> None:
    pq.write_table(pa.table(columns), path, row_group_size=group)


def test_parquet_with_bytes_and_mapped_columns(tmp_path: Path) -> None:
    write_parquet(
        tmp_path / "a.parquet",
        group=2,
        id=["x", "y", "z"],
        label=pa.array(["cat", "dog", None]).dictionary_encode(),
        jpeg=[png(n) for n in range(3)],
        year=[1889, None, 2000],
    )
    columns = SourceColumns(image="jpeg", caption="label")
    out = run(config_of(Source(path=str(tmp_path), columns=columns)))
    assert not out.rejected
    assert [fields(row) for row in out.rows.to_pylist()] == [
        {"caption": "cat", "year": 1889},
        {"caption": "dog"},
        {"year": 2000},
    ]
    assert out.rows["place"].to_pylist() == [f"0:a.parquet#{n}" for n in range(3)]
    assert out.rows["bytes"].to_pylist() == [png(n) for n in range(3)]


def test_parquet_as_hugging_face_writes_it(tmp_path: Path) -> None:
    images = [{"bytes": png(), "path": None}, {"bytes": None, "path": "a.png"}, None]
    write_parquet(tmp_path / "a.parquet", image=images, text=["a", "b", "c"])
    out = run(config_of(tmp_path))
    assert out.rows["caption"].to_pylist() == ["a"]
    assert codes(out) == {"0:a.parquet#1": "empty", "0:a.parquet#2": "empty"}


def test_runs_of_row_groups_give_the_rows_of_the_whole(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", group=3, image=[png(n) for n in range(10)])
    config = config_of(tmp_path)
    whole = run(config)
    (row,) = list_files(config).to_pylist()
    parts = [FILES.of_rows([row | {"first": first, "count": 2}]) for first in (0, 2)]
    pieces = pa.concat_tables([run(config, part).rows for part in parts])
    assert pieces.equals(whole.rows)


def test_text_that_is_not_utf8_costs_a_character(tmp_path: Path) -> None:
    bad = pa.Array.from_buffers(
        pa.string(), 2, [None, *pa.array([b"caf\xe9", b"fine"], pa.binary()).buffers()[1:]]
    )
    write_parquet(tmp_path / "a.parquet", image=[png(), png(1)], caption=bad)
    out = run(config_of(tmp_path))
    assert out.rows["caption"].to_pylist() == ["caf\ufffd", "fine"]


def test_a_broken_row_group_keeps_what_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    columns = {"image": [png(n) for n in range(9)]}
    pq.write_table(pa.table(columns), path, row_group_size=3, compression="snappy")
    meta = pq.read_metadata(path).row_group(1).column(0)
    data = bytearray(path.read_bytes())
    start = meta.dictionary_page_offset or meta.data_page_offset
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    out = run(config_of(tmp_path))
    assert out.rows["place"].to_pylist() == [f"0:a.parquet#{n}" for n in (0, 1, 2, 6, 7, 8)]
    assert codes(out) == {"0:a.parquet@1": "truncated"}
    assert "0 of 3 rows are kept" in out.rejected[0].message
    assert str(tmp_path) not in out.rejected[0].message


def test_a_parquet_file_cut_short_or_none(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", image=[png()])
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-10])
    (tmp_path / "b.parquet").write_bytes(b"")
    (tmp_path / "c.parquet").symlink_to(tmp_path / "none")
    write_parquet(tmp_path / "d.parquet", image=[png()])
    out = run(config_of(tmp_path))
    assert codes(out) == {
        "0:a.parquet": "truncated",
        "0:b.parquet": "truncated",
        "0:c.parquet": "unreadable",
    }
    assert list(by_place(out)) == ["0:d.parquet#0"]
    assert not any(str(tmp_path) in item.message for item in out.rejected)


def test_a_column_that_went_missing_after_listing(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", image=[png()])
    config = config_of(tmp_path)
    listed = list_files(config)
    write_parquet(tmp_path / "a.parquet", images=[png()])
    with pytest.raises(StageError, match="0 columns 'image'; it has: images; the nearest"):
        run(config, listed)


def test_one_sample_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_parquet, "BATCH_ROWS", 2)
    write_parquet(tmp_path / "a.parquet", image=[png(n) for n in range(7)])
    assert run(config_of(tmp_path)).rows.num_rows == 7


# identity, withholding, limits


def test_an_id_says_where_and_not_what(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(png())
    both = run(config_of(tmp_path / "x", tmp_path / "y")).rows
    other = run(config_of(tmp_path / "x", dataset="control")).rows
    ids = both["image_id"].to_pylist() + other["image_id"].to_pylist()
    assert len(set(ids)) == 3
    assert len(set(both["sha256"].to_pylist())) == 1
    moved = tmp_path / "moved"
    (tmp_path / "x").rename(moved)
    again = run(config_of(moved, tmp_path / "y")).rows
    assert again.equals(both), "a case can move"


@given(st.lists(st.one_of(st.text(max_size=3), st.integers(0, 20)), min_size=1, max_size=5))
def test_places_do_not_run_together(place: list[str | int]) -> None:
    assert image_id_of(*place) != image_id_of(*place, "")
    if isinstance(place[0], str) and place[0]:
        assert image_id_of(*place) != image_id_of(place[0][:-1], place[0][-1], *place[1:])


def test_the_same_source_row_twice(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    config = config_of(tmp_path)
    listed = list_files(config)
    out = run(config, pa.concat_tables([listed, listed, listed]))
    assert out.rows.num_rows == 1
    assert codes(out) == {"0:a.png": "repeated", "0:a.png (2)": "repeated"}


def test_withheld_images_leave_no_bytes(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    never, kept = encoded(picture(1)), encoded(picture(2))
    for name, data in {"a.png": never, "b.png": kept, "c.png": never}.items():
        (tmp_path / "in" / name).write_bytes(data)
        (tmp_path / "in" / f"{name}.txt").write_text("a private caption")
    digests = f"# court order\n\n{sha256(never).hexdigest().upper()}  a.png\n"
    (tmp_path / "never.txt").write_text(digests)
    out = run(config_of(tmp_path / "in", never=str(tmp_path / "never.txt")))
    assert codes(out) == {"0:a.png": "withheld", "0:c.png": "withheld"}
    assert list(by_place(out)) == ["0:b.png"]
    assert not any("private" in item.message for item in out.rejected)


@pytest.mark.parametrize("text", ["abc\n", "a" * 63 + "\n", "g" * 64, "\xff\n"])
def test_a_wrong_list_of_digests(tmp_path: Path, text: str) -> None:
    path = tmp_path / "never.txt"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(StageError, match="never: "):
        open_ingest(IngestConfig(never=str(path)), Kit())
    with pytest.raises(StageError, match="cannot be read"):
        open_ingest(IngestConfig(never=str(tmp_path / "gone")), Kit())


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("max_pixels", {"max_pixels": 3}),
        ("max_pixels", {"max_pixels": 10**9}),
        ("max_bytes", {"max_bytes": 0}),
    ],
)
def test_impossible_values_name_the_field(field: str, values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"^{field}: expected"):
        IngestConfig(**values)


def test_limits_apply_to_every_kind(tmp_path: Path) -> None:
    data = png()
    (tmp_path / "a.png").write_bytes(data)
    tar_of(tmp_path / "b.tar", [("1.png", data)])
    write_parquet(tmp_path / "c.parquet", image=[data])
    places = [tmp_path / name for name in ("a.png", "b.tar", "c.parquet")]
    assert run(config_of(*places, max_bytes=len(data), max_pixels=24 * 32)).rows.num_rows == 3
    for knobs in ({"max_bytes": len(data) - 1}, {"max_pixels": 24 * 32 - 1}):
        assert set(codes(run(config_of(*places, **knobs))).values()) == {"too-large"}


def test_no_files_no_rows() -> None:
    out = run(IngestConfig())
    assert out.rows.equals(IMAGES.empty())
    assert not out.rejected


@settings(max_examples=20)
@given(st.lists(st.integers(0, 6), max_size=4))
def test_the_cut_into_parts_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    for number in range(6):
        (folder / f"{number}.png").write_bytes(png(number) if number != 3 else b"bad")
    config = config_of(folder)
    listed = list_files(config)
    edges = [0, *sorted(cuts), listed.num_rows]
    outs = [run(config, listed.slice(a, b - a)) for a, b in pairwise(edges)]
    whole = run(config)
    assert pa.concat_tables([out.rows for out in outs]).equals(whole.rows)
    assert [item for out in outs for item in out.rejected] == list(whole.rejected)


# PDQ


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_pdq_tells_a_copy_from_another_image() -> None:
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(small).resize((700, 600), Image.Resampling.BICUBIC)
    other = Image.fromarray(small[::-1].copy()).resize((700, 600), Image.Resampling.BICUBIC)
    pdq, quality = pdq_of(np.asarray(image))
    shrunk, _ = pdq_of(np.asarray(image.resize((350, 300))))
    jpeg = Image.open(BytesIO(encoded(image, "JPEG", quality=40))).convert("RGB")
    assert quality == 100
    assert distance(pdq, shrunk) <= PDQ_SAME
    assert distance(pdq, pdq_of(np.asarray(jpeg))[0]) <= PDQ_SAME
    assert distance(pdq, pdq_of(np.asarray(other))[0]) > 90


def test_pdq_of_tiny_and_flat_images_says_that_it_says_nothing() -> None:
    assert pdq_of(np.zeros((2, 2, 3), np.uint8)) == ("0" * 64, 0)
    assert pdq_of(np.full((600, 600, 3), 128, np.uint8))[1] == 0


def test_the_stage_reads_files_and_writes_images() -> None:
    assert STAGE.reads["files"].names == tuple(FILES.schema.names)
    assert STAGE.writes is IMAGES
    assert os.name == "posix"
