import gzip
import json
import random
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
from pypdf import PdfWriter

from indexes.words import split
from stages.contract import Kit, Out, StageError
from stages.sources import lines
from stages.sources.decoding import byte_offsets, decode
from stages.sources.listing import list_files
from stages.sources.places import id_of
from stages.tables import FILES, TEXTS
from stages.text import works as module
from stages.text.sources import TextColumns, TextSource
from stages.text.works import STAGE, TextsConfig, open_works, works

HEBREW = "\u05d1\u05e8\u05d0\u05e9\u05d9\u05ea \u202b\u05d1\u05e8\u05d0\u202c"
JAPANESE = "\u543e\u8f29\u306f\u732b\u3067\u3042\u308b"


def config_of(*sources: str | Path | TextSource, **knobs: Any) -> TextsConfig:
    given_ = [s if isinstance(s, TextSource) else TextSource(path=str(s)) for s in sources]
    return TextsConfig(**{"dataset": "train", "sources": tuple(given_)} | knobs)


def run(config: TextsConfig, files: pa.Table | None = None) -> Out:
    listed = FILES.check(list_files(config)) if files is None else files
    out = works({"files": listed}, open_works(config, Kit()))
    TEXTS.check(out.rows)
    keys = [item.key for item in out.rejected]
    assert len(keys) == len(set(keys)), "the table of rejected rows wants one key each"
    return out


def codes(out: Out) -> dict[str, str]:
    return {item.key: item.code for item in out.rejected}


def by_place(out: Out) -> dict[str, dict[str, Any]]:
    return {row["place"]: row for row in out.rows.to_pylist()}


def texts(out: Out) -> list[str]:
    return [str(text) for text in out.rows["text"].to_pylist()]


def said(row: dict[str, Any]) -> dict[str, Any]:
    names = ("title", "author", "date", "licence", "url")
    return {name: row[name] for name in names if row[name] is not None}


def write(folder: Path, **files: str | bytes) -> None:
    for name, data in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(data if isinstance(data, bytes) else data.encode())


def jsonl(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def packed(data: bytes, packer: str) -> bytes:
    if packer == "gz":
        return gzip.compress(data)
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(data)
    return bytes(out.getvalue())


# folders


def test_a_folder_of_texts_with_what_is_said_of_them(tmp_path: Path) -> None:
    write(tmp_path, a__txt="One fish.", b__md="*two* fish", c__text="three", d__TXT="four")
    write(tmp_path, a__json='{"title": "Fish", "year": 1889, "authors": ["Ada", "Bo"]}')
    write(tmp_path, metadata__csv="file_name,author,license,url\nb.md,Eve,CC0,http://b\n")
    out = run(config_of(tmp_path))
    assert not out.rejected
    found = by_place(out)
    assert {place: said(row) for place, row in found.items()} == {
        "0:a.txt": {"title": "Fish", "author": "Ada", "date": "1889"},
        "0:b.md": {"author": "Eve", "licence": "CC0", "url": "http://b"},
        "0:c.text": {},
        "0:d.TXT": {},
    }
    assert [row["format"] for row in found.values()] == ["txt", "md", "txt", "txt"]
    row = found["0:a.txt"]
    assert row["text_id"] == id_of("train", 0, "a.txt", "", 0)
    assert row["sha256"] == sha256(b"One fish.").hexdigest()
    assert (row["num_words"], row["own_from"], row["own_to"], row["first_word"]) == (2, 0, 2, 0)
    assert (row["piece"], row["num_pieces"], row["first_char"], row["first_byte"]) == (0, 1, 0, 0)
    assert (row["encoding"], row["bytes"]) == ("utf-8", None)


def test_the_same_file_twice_is_two_texts(tmp_path: Path) -> None:
    write(tmp_path, a__txt="same words", b__txt="same words")
    rows = run(config_of(tmp_path)).rows.to_pylist()
    control = run(config_of(tmp_path, dataset="control")).rows.to_pylist()
    assert len({row["text_id"] for row in rows + control}) == 4
    assert len({row["sha256"] for row in rows + control}) == 1


ENCODINGS = {
    "utf8": ("a caf\u00e9".encode(), "a caf\u00e9", "utf-8", 0),
    "bom": (b"\xef\xbb\xbfa caf\xc3\xa9", "a caf\u00e9", "utf-8-sig", 3),
    "utf16": ("\ufeffa \U0001f33b".encode("utf-16-le"), "a \U0001f33b", "utf-16", 2),
    "utf16be": ("\ufeffa caf\u00e9".encode("utf-16-be"), "a caf\u00e9", "utf-16", 2),
    "utf32": ("\ufeffa b".encode("utf-32-le"), "a b", "utf-32", 4),
    "latin": (b"a caf\xe9 it is", "a caf\ufffd it is", "utf-8", 0),
    "cut": (b"a dozen words and \xe2\x82", "a dozen words and \ufffd\ufffd", "utf-8", 0),
    "nul": (b"one\0two or three words", "one\0two or three words", "utf-8", 0),
    "hebrew": (HEBREW.encode(), HEBREW, "utf-8", 0),
    "japanese": (JAPANESE.encode(), JAPANESE, "utf-8", 0),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_encodings(tmp_path: Path, name: str) -> None:
    data, text, encoding, first_byte = ENCODINGS[name]
    write(tmp_path, a__txt=data)
    (row,) = run(config_of(tmp_path)).rows.to_pylist()
    assert (row["text"], row["encoding"], row["first_byte"]) == (text, encoding, first_byte)
    original = row["text"].encode() if row["bytes"] is None else row["bytes"]
    assert original == data, "the untouched bytes can always be had"
    assert (row["bytes"] is None) == (text.encode() == data)


def test_an_encoding_that_the_case_names(tmp_path: Path) -> None:
    russian = "\u0432\u0441\u0435 \u0441\u0447\u0430\u0441\u0442\u043b\u0438\u0432\u044b"
    write(tmp_path, a__txt=russian.encode("cp1251"))
    out = run(config_of(tmp_path))
    assert codes(out) == {"0:a.txt": "not-text"}
    assert "name its `encoding`" in out.rejected[0].message
    out = run(config_of(TextSource(path=str(tmp_path), encoding="windows-1251")))
    assert (texts(out), out.rows["encoding"].to_pylist()) == ([russian], ["cp1251"])
    for wrong in ("utf-9", "base64"):
        with pytest.raises(ValueError, match=r"^encoding: expected one that Python knows"):
            TextSource(path="x", encoding=wrong)


def test_bad_files_are_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "in"
    root.mkdir()
    (tmp_path / "outside.txt").write_text("a secret")
    junk = random.Random(1).randbytes(3000)
    write(root, good__txt="good words", empty__txt="", space__txt=" \n\t ", marks__txt="--- ***")
    write(root, junk__txt=junk, zeros__md=bytes(500), long__txt="word " * 300)
    write(root, never__txt="withheld words", good__json="{broken")
    (root / "leak.txt").symlink_to(tmp_path / "outside.txt")
    (root / "gone.md").symlink_to(root / "nowhere")
    digest = sha256(b"withheld words").hexdigest()
    (tmp_path / "never").write_text(f"{digest}  never.txt\n")
    out = run(config_of(root, max_bytes=3000, never=str(tmp_path / "never")))
    assert codes(out) == {
        "0:empty.txt": "empty",
        "0:gone.md": "unreadable",
        "0:good.txt.json": "sidecar",
        "0:junk.txt": "not-text",
        "0:leak.txt": "outside",
        "0:marks.txt": "empty",
        "0:never.txt": "withheld",
        "0:space.txt": "empty",
        "0:zeros.md": "not-text",
    }
    assert set(by_place(out)) == {"0:good.txt", "0:long.txt"}
    assert codes(run(config_of(root, max_bytes=1400)))["0:long.txt"] == "too-large"
    assert "the text goes without it" in str(out.rejected)


def test_prose_in_a_wrong_encoding_is_still_text(tmp_path: Path) -> None:
    french = "na\u00efve \u00e9l\u00e8ve \u00e0 l'\u00e9t\u00e9 de la for\u00eat"
    write(tmp_path, a__txt=french.encode("latin-1"))
    assert not run(config_of(tmp_path)).rejected


def test_no_files_no_rows_and_impossible_values() -> None:
    out = run(TextsConfig())
    assert out.rows.equals(TEXTS.empty())
    wrong: tuple[tuple[str, Any], ...] = (
        *(("max_bytes", 0), ("piece_bytes", 0), ("margin_words", -1)),
    )
    for name, value in wrong:
        with pytest.raises(ValueError, match=f"^{name}: expected"):
            TextsConfig(**{name: value})


def test_kinds_are_told_apart_and_doubt_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, a__txt="words", b__jsonl=jsonl({"text": "more words"}))
    with pytest.raises(StageError, match="1 of kind folder, 1 of kind jsonl: say which"):
        list_files(config_of(tmp_path))
    assert texts(run(config_of(TextSource(path=str(tmp_path), kind="jsonl")))) == ["more words"]
    with pytest.raises(StageError, match=r"both hold a\.txt: its texts would count twice"):
        list_files(config_of(tmp_path / "a.txt", tmp_path / "*.txt"))


# HTML and PDF


def test_html(tmp_path: Path) -> None:
    page = (
        "<!DOCTYPE html><html><head><title>T &amp;\n U</title><meta name=Author content=Ada>"
        "<style>p {}</style></head><body><!-- not this --><h1>One</h1>two <b>thr</b>ee\n  four<br>"
        "five<p>six<p>seven<script>let x</script><template>no</template><pre>  a\n b</pre>"
        "<ruby>\u6f22<rt>kan</rt></ruby><ul><li>x<li>y</ul>e&#769;"
    )
    write(tmp_path, a__html=page, b__HTM="no markup at all", c__html="<p></p>")
    write(tmp_path, a__json='{"author": "Bo"}')
    out = run(config_of(tmp_path))
    assert codes(out) == {"0:c.html": "empty"}
    row = by_place(out)["0:a.html"]
    wanted = "One\ntwo three four\nfive\nsix\nseven\na\nb\n\u6f22\nx\ny\ne\u0301"
    assert row["text"].replace("\n\n", "\n") == wanted
    assert said(row) == {"title": "T & U", "author": "Bo"}, "the sidecar knows better"
    assert (row["format"], row["encoding"], row["first_byte"]) == ("html", None, None)
    assert row["bytes"] == page.encode()
    assert row["sha256"] == sha256(page.encode()).hexdigest()
    assert by_place(out)["0:b.HTM"]["text"] == "no markup at all"


@pytest.mark.parametrize(
    "data",
    [
        b"<?xml version='1.0' encoding='iso-8859-1'?><html><body>caf\xe9</body></html>",
        b"<meta charset=windows-1252><p>caf\xe9",
        b"<meta charset=nonsense><p>caf\xc3\xa9",
        b"\xef\xbb\xbf<meta charset=latin-1><p>caf\xc3\xa9",
        "\ufeff<p>caf\u00e9".encode("utf-16-le"),
        b"<meta charset=utf-16><p>caf\xc3\xa9",
    ],
)
def test_html_in_the_encoding_that_it_declares(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, a__html=data)
    assert texts(run(config_of(tmp_path))) == ["caf\u00e9"]


def test_markup_in_text_is_kept(tmp_path: Path) -> None:
    text = "<b>bold</b> &amp; _under_ <script>alert(1)</script>"
    write(tmp_path, a__txt=text, b__md=text)
    assert texts(run(config_of(tmp_path))) == [text, text]


def pdf(*pages: str) -> bytes:
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    made = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", font]
    for text in pages:
        drawn = b"BT /F1 12 Tf 10 100 Td (" + text.encode() + b") Tj ET"
        made.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn))
        has = b"/Contents %d 0 R /Resources << /Font << /F1 3 0 R >> >>" % len(made)
        made.append(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] " + has + b" >>")
    kids = b" ".join(b"%d 0 R" % (5 + 2 * number) for number in range(len(pages)))
    made[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), kids)
    out, places = b"%PDF-1.4\n", []
    for number, item in enumerate(made, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(made) + 1)
    tail = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(made) + 1, len(out))
    return out + head + table + tail


def written(writer: PdfWriter) -> bytes:
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pdf(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    plain = pdf("hello world", "page two")
    open_ = PdfWriter(clone_from=BytesIO(plain))
    open_.add_metadata({"/Title": "T", "/Author": "Ada"})
    open_.encrypt("", "owner", algorithm="RC4-128")
    locked = PdfWriter(clone_from=BytesIO(plain))
    locked.encrypt("user", "owner", algorithm="RC4-128")
    scan = PdfWriter()
    scan.add_blank_page(100, 100)
    write(tmp_path, a__pdf=plain, b__pdf=written(open_), c__pdf=written(locked))
    write(tmp_path, d__pdf=written(scan), e__pdf=plain[:300], f__pdf="no pdf", g__pdf=b"")
    out = run(config_of(tmp_path))
    assert codes(out) == {
        "0:c.pdf": "encrypted",
        "0:d.pdf": "no-text",
        "0:e.pdf": "damaged",
        "0:f.pdf": "damaged",
        "0:g.pdf": "damaged",
    }
    assert [text.split() for text in texts(out)] == [["hello", "world", "page", "two"]] * 2
    row = by_place(out)["0:b.pdf"]
    assert said(row) == {"title": "T", "author": "Ada"}
    assert (row["format"], row["encoding"], row["first_byte"]) == ("pdf", None, None)
    assert row["bytes"] == (tmp_path / "b.pdf").read_bytes()
    assert capfd.readouterr() == ("", ""), "pypdf speaks of every oddity"


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 899), st.integers(0, 255)), min_size=1, max_size=12))
def test_a_damaged_pdf_is_read_or_rejected(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(pdf("hello world", "page two"))
    for place, byte in changes:
        data[place % len(data)] = byte
    folder = tmp_path_factory.mktemp("pdf")
    write(folder, a__pdf=bytes(data))
    out = run(config_of(folder))
    assert out.rows.num_rows + len(out.rejected) >= 1


# JSON lines


@pytest.mark.parametrize("packer", ["", "gz", "zst"])
def test_json_lines(tmp_path: Path, packer: str) -> None:
    rows = [
        {"text": "one word", "title": "T", "date": "1889-05-03", "other": [1]},
        {"content": "two words", "author": "Ada"},
        {"body": HEBREW},
        {"text": "caf\u00e9 \U0001f33b \ud800 end"},
    ]
    name = "a.jsonl" + (f".{packer}" if packer else "")
    data = b"\xef\xbb\xbf" + jsonl(*rows).replace(b"\n", b"\r\n") + b"\n"
    (tmp_path / name).write_bytes(packed(data, packer) if packer else data)
    out = run(config_of(tmp_path))
    assert not out.rejected
    found = by_place(out)
    assert list(found) == [f"0:{name}#{number}" for number in (1, 2, 3, 4)]
    assert texts(out)[:3] == ["one word", "two words", HEBREW]
    assert texts(out)[3] == "caf\u00e9 \U0001f33b \ufffd end"
    assert said(found[f"0:{name}#1"]) == {"title": "T", "date": "1889-05-03"}
    assert found[f"0:{name}#2"]["text_id"] == id_of("train", 0, name, "", 2)
    assert {(row["format"], row["encoding"], row["bytes"]) for row in found.values()} == {
        ("jsonl", "utf-8", None)
    }


def test_bad_lines_are_rejected_and_the_rest_goes_on(tmp_path: Path) -> None:
    lines_ = [
        b'{"text": "first words"}',
        b'{"text": "broken',
        b"[1, 2]",
        b'{"texts": "no such key", "id": 3}',
        b'{"text": ["a", "list"]}',
        b'{"text": null}',
        b'{"text": ""}',
        b"[" * 100_000,
        b'{"text": "caf\xe9 it is here"}',
        b'{"text": "' + b"word " * 1000 + b'"}',
        b"",
        b'{"text": "last words"}',
    ]
    write(tmp_path, a__jsonl=b"\n".join(lines_))
    out = run(config_of(tmp_path, max_bytes=3000))
    assert codes(out) == {
        "0:a.jsonl#2": "not-json",
        "0:a.jsonl#3": "not-json",
        "0:a.jsonl#4": "no-text",
        "0:a.jsonl#5": "no-text",
        "0:a.jsonl#6": "no-text",
        "0:a.jsonl#7": "empty",
        "0:a.jsonl#8": "too-large",
        "0:a.jsonl#10": "too-large",
    }
    messages = {item.key: item.message for item in out.rejected}
    assert messages["0:a.jsonl#2"].startswith("line 2 is not JSON")
    assert "the nearest is 'texts'" in messages["0:a.jsonl#4"]
    assert texts(out) == ["first words", "caf\ufffd it is here", "last words"]
    assert by_place(out)["0:a.jsonl#9"]["bytes"] == b"caf\xe9 it is here"
    assert codes(run(config_of(tmp_path)))["0:a.jsonl#8"] == "not-json", "too deep"


@pytest.mark.parametrize("packer", ["gz", "zst"])
def test_a_packed_file_cut_short_keeps_the_lines_before(tmp_path: Path, packer: str) -> None:
    rng = random.Random(2)
    rows = [{"text": f"number {number} {rng.getrandbits(900)}"} for number in range(900)]
    data = packed(jsonl(*rows), packer)
    name = f"a.jsonl.{packer}"
    for cut, least in ((len(data) * 2 // 3, 200), (len(data) - 2, 500), (20, 0), (0, 0)):
        (tmp_path / name).write_bytes(data[:cut])
        out = run(config_of(tmp_path))
        kept = texts(out)
        assert kept == [row["text"] for row in rows[: len(kept)]]
        assert least <= len(kept) < len(rows)
        assert codes(out) == ({f"0:{name}": "truncated"} if cut else {})
    (tmp_path / name).write_bytes(data + b"garbage behind the end")
    assert codes(run(config_of(tmp_path))) == {f"0:{name}": "truncated"}


def test_the_case_names_columns(tmp_path: Path) -> None:
    rows = [{"story": "some words", "text": "not this", "by": "Ada"}]
    write(tmp_path, a__jsonl=jsonl(*rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    columns = TextColumns(text="story", author="by")
    kinds: tuple[Any, ...] = ("jsonl", "parquet")
    for kind in kinds:
        source = TextSource(path=str(tmp_path), kind=kind, columns=columns)
        (row,) = run(config_of(source)).rows.to_pylist()
        assert (row["text"], row["author"]) == ("some words", "Ada")


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=8),
    st.integers(20, 200),
    st.sampled_from([(False, False), (True, False), (False, True), (True, True)]),
)
def test_a_file_of_lines_read_in_blocks_gives_every_line_once(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: list[int],
    block: int,
    flags: tuple[bool, bool],
) -> None:
    zipped, closed = flags
    folder = tmp_path_factory.mktemp("blocks")
    rows = [{"text": f"w{'x' * length}"} for length in lengths]
    data = jsonl(*rows)[: None if closed else -1]
    name = "a.jsonl.gz" if zipped else "a.jsonl"
    (folder / name).write_bytes(gzip.compress(data) if zipped else data)
    config = config_of(folder)
    whole = run(config).rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_BYTES", block)
        patch.setattr(lines, "_CHUNK", 7)
        listed = FILES.check(list_files(config))
        outs = [run(config, listed.slice(number, 1)) for number in range(listed.num_rows)]
    assert pa.concat_tables([out.rows for out in outs]).equals(whole)
    assert texts(Out(whole)) == [row["text"] for row in rows]
    assert not any(out.rejected for out in outs)


# Parquet


def test_parquet(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [1, 2, 3, 4],
            "content": pa.array(["one word", None, "", HEBREW]).dictionary_encode(),
            "year": [1889.0, None, None, 2000.0],
            "title": ["T", None, None, None],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    out = run(config_of(tmp_path))
    assert codes(out) == {"0:a.parquet#1": "no-text", "0:a.parquet#2": "empty"}
    found = by_place(out)
    assert {place: (row["text"], said(row)) for place, row in found.items()} == {
        "0:a.parquet#0": ("one word", {"title": "T", "date": "1889"}),
        "0:a.parquet#3": (HEBREW, {"date": "2000"}),
    }
    assert found["0:a.parquet#3"]["text_id"] == id_of("train", 0, "a.parquet", "", 3)


def test_parquet_text_that_is_not_utf8(tmp_path: Path) -> None:
    buffers = pa.array([b"a caf\xe9 it is", b"fine"], pa.binary()).buffers()
    bad = pa.Array.from_buffers(pa.string(), 2, [None, *buffers[1:]])
    pq.write_table(pa.table({"text": bad}), tmp_path / "a.parquet")
    out = run(config_of(tmp_path))
    assert texts(out) == ["a caf\ufffd it is", "fine"]
    assert out.rows["bytes"].to_pylist() == [b"a caf\xe9 it is", None]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, r"0 columns 'text'; it has: id, txt.*nearest is 'txt'"),
        ({"text": "story"}, r"0 columns 'story'"),
        ({"text": "id"}, r"column 'id' is int64; expected text"),
        ({"text": "txt", "author": "by"}, r"0 columns 'by'"),
    ],
)
def test_a_missing_column_is_an_error_before_anything_runs(
    tmp_path: Path, columns: dict[str, str], message: str
) -> None:
    pq.write_table(pa.table({"id": [1], "txt": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(StageError, match=rf"a\.parquet: {message}"):
        list_files(config_of(TextSource(path=str(tmp_path), columns=TextColumns(**columns))))


# pieces


def check_pieces(rows: list[dict[str, Any]], data: bytes, margin: int) -> None:
    encoding = rows[0]["encoding"]
    text = decode(data, encoding).text
    words = split([text])
    num_words = len(words.starts_N)
    assert [row["piece"] for row in rows] == list(range(len(rows)))
    assert {(row["num_pieces"], row["num_words"]) for row in rows} == {(len(rows), num_words)}
    edges = [0, *(row["own_to"] for row in rows)]
    assert [(row["own_from"], row["own_to"]) for row in rows] == list(pairwise(edges))
    assert edges[-1] == num_words
    whole, original = "", b""
    for row in rows:
        first, end = row["first_char"], row["first_char"] + len(row["text"])
        assert row["text"] == text[first:end]
        assert row["first_word"] == max(0, row["own_from"] - margin)
        inside = split([row["text"]])
        last = min(num_words, row["own_to"] + margin)
        wanted = slice(row["first_word"], last)
        assert np.array_equal(inside.hashes_N, words.hashes_N[wanted])
        assert np.array_equal(inside.starts_N + first, words.starts_N[wanted])
        assert np.array_equal(inside.ends_N + first, words.ends_N[wanted])
        sampled = row["samples"] or inside.starts_N[::64].tolist()
        assert sampled == inside.starts_N[::64].tolist()
        assert (row["samples"] is None) == (len(inside.starts_N) <= 512)
        stop = words.starts_N[row["own_to"]] if row["own_to"] < num_words else len(text)
        whole += row["text"][len(whole) - first : stop - first]
    assert whole == text
    if encoding:
        starts = [row["first_byte"] for row in rows] + [len(data)]
        for row, (start, stop) in zip(rows, pairwise(starts), strict=True):
            piece = data[start:stop] if row["piece"] else data[:stop]
            original += piece
            following = row["first_char"] + len(decode(data[start:stop], encoding).text)
            later = [other["first_char"] for other in rows[row["piece"] + 1 :]] or [len(text)]
            assert encoding == "utf-16" or following == later[0]
        assert original == data


WORDS = [
    *("the", "whale", "Caf\u00e9", "don\u2019t", "well-known", "exam-\nple", JAPANESE, HEBREW),
    *("\u0e01\u0e33\u0e25\u0e31\u0e07", "\U0001f33b", "a" * 40, "e\u0301", "\ufffd"),
    *("so\u00adft", "zero\u200bwidth", "...", "--", "\u2014"),
]
PROSE = st.lists(st.sampled_from(WORDS), min_size=1, max_size=60)
BOM = "\ufeff"
GAPS = st.sampled_from([" ", "\n", " \n\n ", "\t", ", ", "\r\n", "\0 "])


@settings(max_examples=80)
@given(PROSE, GAPS, st.tuples(st.integers(1, 120), st.integers(0, 9)), st.sampled_from(["", BOM]))
def test_pieces_cut_anywhere_make_up_the_text(
    tmp_path_factory: pytest.TempPathFactory,
    words_: list[str],
    gap: str,
    knobs: tuple[int, int],
    mark: str,
) -> None:
    size, margin = knobs
    folder = tmp_path_factory.mktemp("pieces")
    data = (mark + "x " + gap.join(words_)).encode()
    write(folder, a__txt=data)
    out = run(config_of(folder, piece_bytes=size, margin_words=margin))
    check_pieces(out.rows.to_pylist(), data, margin)


def test_pieces_of_other_encodings_and_of_bad_bytes(tmp_path: Path) -> None:
    text = f"caf\u00e9 {HEBREW} \U0001f33b {JAPANESE} and so on and on " * 5
    for encoding in ("utf-16", "utf-8"):
        data = text.encode(encoding)
        if encoding == "utf-8":
            data = data.replace(b"and", b"\xe2\x82and\xff")
        write(tmp_path, a__txt=data)
        rows = run(config_of(tmp_path, piece_bytes=50, margin_words=2)).rows.to_pylist()
        assert len(rows) > 5
        check_pieces(rows, data, 2)
        assert [row["bytes"] for row in rows] == [data] + [None] * (len(rows) - 1)


def test_a_long_work_in_one_line(tmp_path: Path) -> None:
    data = b" ".join(b"w%d" % number for number in range(60_000))
    write(tmp_path, a__txt=data, b__txt=b"x" * 300_000)
    out = run(config_of(tmp_path, piece_bytes=50_000))
    rows = [row for row in out.rows.to_pylist() if row["place"] == "0:a.txt"]
    assert len(rows) == -(-len(data) // 50_000)
    assert max(len(row["text"]) for row in rows) < 60_000
    check_pieces(rows, data, 512)
    unbroken = [row for row in out.rows.to_pylist() if row["place"] == "0:b.txt"]
    assert "".join(row["text"] for row in unbroken)[:1] == "x"
    assert unbroken[-1]["own_to"] == unbroken[0]["num_words"]


def test_a_piece_of_html_has_no_place_in_the_bytes(tmp_path: Path) -> None:
    write(tmp_path, a__html="<p>" + "some words in a row " * 20)
    rows = run(config_of(tmp_path, piece_bytes=100, margin_words=3)).rows.to_pylist()
    assert len(rows) > 2
    assert {row["first_byte"] for row in rows} == {None}
    assert [row["bytes"] is None for row in rows] == [False] + [True] * (len(rows) - 1)


@pytest.mark.parametrize("knob", ["_BATCH_BYTES"])
def test_batches_and_parts_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knob: str
) -> None:
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text("word " * number)
    config = config_of(tmp_path)
    listed = list_files(config)
    whole = run(config)
    parts = [run(config, listed.slice(a, b - a)) for a, b in pairwise([0, 2, 3, 6])]
    assert pa.concat_tables([part.rows for part in parts]).equals(whole.rows)
    monkeypatch.setattr(module, knob, 1)
    assert run(config).rows.equals(whole.rows)
    twice = run(config, pa.concat_tables([listed, listed]))
    assert twice.rows.equals(whole.rows)
    assert codes(twice)["0:5.txt"] == "repeated"


# bytes of characters


CODECS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "shift_jis", "gb18030", "cp1252")


@settings(max_examples=150)
@given(st.sampled_from(CODECS), st.binary(max_size=60), st.text(max_size=20))
def test_every_character_has_its_bytes(codec: str, noise: bytes, text: str) -> None:
    data = text[:10].encode(codec, "ignore") + noise + text[10:].encode(codec, "ignore")
    found = decode(data, codec)
    offsets = byte_offsets(data, found.encoding, range(len(found.text) + 1)).tolist()
    assert offsets == sorted(offsets)
    assert offsets[-1] <= len(data)
    for char, (start, stop) in zip(found.text, pairwise(offsets), strict=True):
        piece = data[start:stop]
        bad = char == "\ufffd" and len(piece) == 1
        assert bad or (piece and decode(piece, _plain(data, codec)).text == char)


def _plain(data: bytes, codec: str) -> str:
    if codec == "utf-8-sig":
        return "utf-8"
    if codec in {"utf-16", "utf-32"}:
        big = data.startswith((b"\xfe\xff", b"\0\0\xfe\xff"))
        return codec + ("-be" if big else "-le")
    return codec


def test_bytes_of_characters_far_into_a_text() -> None:
    text = "caf\u00e9 \U0001f33b " * 5000
    data = text.encode().replace(b"caf", b"c\xffaf")
    found = decode(data)
    chars = [0, 1, 8000, 8001, 20_000, len(found.text)]
    offsets = byte_offsets(data, "utf-8", chars).tolist()
    assert offsets[:2] == [0, 1]
    assert offsets[-1] == len(data)
    for char, offset in zip(chars, offsets, strict=True):
        assert len(decode(data[:offset]).text) == char


def test_the_stage_reads_files_and_writes_texts() -> None:
    assert STAGE.reads["files"].names == tuple(FILES.schema.names)
    assert STAGE.writes is TEXTS
    assert STAGE.open is open_works
