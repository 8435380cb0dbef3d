import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes import sorting
from indexes.building import Batch, build
from indexes.folder import FolderError, seal
from indexes.postings import Postings, load
from indexes.query import Query
from indexes.runs import Runs, scan
from indexes.sorting import Column, Pool, Portion
from indexes.stored import SAMPLE
from indexes.words import Words, split
from tests.indexes.plain import listed

number = itertools.count()
WORDS = ["alpha", "na\u00efve", "don't", "well-known", "\u6771", "\u4eac", "e\u0301t\u00e9", "x2"]
GAPS = [" ", "  ", ", ", "\n", " \u2014 ", ".\n\n", " \u200b"]


def text_of(seed: int, size: int, words: int) -> str:
    """Return a text of few different words, so that grams repeat, with gaps of all kinds."""
    rng = np.random.default_rng(seed)
    parts = zip(rng.integers(0, words, size), rng.integers(0, len(GAPS), size), strict=True)
    return "".join(WORDS[word] + GAPS[gap] for word, gap in parts)


texts_of = st.lists(
    st.builds(text_of, st.integers(0, 99), st.integers(0, 400), st.integers(2, len(WORDS))),
    max_size=5,
)


def indexed(folder: Path, texts: Sequence[str], cut: int = 2) -> Postings:
    path = folder / f"index-{next(number)}"
    ids = [f"text {k}" for k in range(len(texts))]
    slices = [slice(k, k + cut) for k in range(0, len(texts), cut)]
    build(path, (Batch(ids[k], split(texts[k]), texts[k]) for k in slices), keep_texts=True)
    return load(path)


def looked_up(folder: Path, texts: Sequence[str], outputs: Sequence[str]) -> Runs:
    index, query = indexed(folder, texts), Query.of(split(outputs))
    found = index.find(query)
    assert listed(index.find(query, texts.__getitem__)) == listed(found)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("postings")


@given(texts_of, texts_of, st.integers(0, 3000), st.integers(0, 900))
def test_the_same_runs_as_a_scan(
    folder: Path, texts: list[str], others: list[str], start: int, size: int
) -> None:
    outputs = [*others, "new words here " + "".join(texts)[start : start + size]]
    scanned = scan(Query.of(split(outputs)), split(texts))
    assert listed(looked_up(folder, texts, outputs)) == listed(scanned)


@settings(max_examples=25)
@given(texts_of, st.integers(1, 40))
def test_portions_change_nothing(folder: Path, texts: list[str], portion: int) -> None:
    query = Query.of(split(texts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "PORTION", portion)
        patch.setattr("indexes.grams._BLOCK", 16)
        small = indexed(folder, texts)
    large = indexed(folder, texts, cut=5)
    for name in ("bucket_B", "rest_P", "word_P"):
        assert np.array_equal(getattr(small, name), getattr(large, name))
    assert listed(small.find(query, texts.__getitem__)) == listed(scan(query, split(texts)))


def test_only_texts_with_runs_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    texts = [" ".join(f"w{word}" for word in rng.integers(0, 9999, 500)) for _ in range(9)]
    asked: list[int] = []

    def read(text: int) -> str:
        asked.append(text)
        return texts[text]

    output = " ".join(texts[4].split()[100:140] + texts[6].split()[:6])
    runs = indexed(tmp_path, texts).find(Query.of(split([output])), read)
    assert listed(runs) == [(0, 0, 4, 100, 40)]
    assert asked == [4]


def test_words_before_a_stretch_do_not_matter(tmp_path: Path) -> None:
    # joined, combining and ignored characters on both sides of every sample
    text = "".join(
        f"a{k}-\nb{k}\u0301 \u0301c{k}'\u200d d{k}\u00ad-\ne " for k in range(4 * SAMPLE)
    )
    runs = looked_up(tmp_path, [text], [text])
    assert listed(runs) == listed(scan(Query.of(split([text])), split([text])))
    assert runs.words_R.tolist() == [len(split([text]).hashes_N)]


def test_another_text(tmp_path: Path) -> None:
    texts = ["one two three four five six seven eight nine ten " * 9]
    index, query = indexed(tmp_path, texts), Query.of(split(texts))
    with pytest.raises(FolderError, match="text 0 is not the one that was indexed"):
        index.find(query, lambda _: texts[0].replace("six", "sixty"))
    with pytest.raises(FolderError, match="text 0 is not the one that was indexed"):
        index.find(query, lambda _: "")


def test_a_stretch_that_is_split_otherwise_is_read_as_part_of_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [" ".join(f"w{k}" for k in range(300))]
    index, query = indexed(tmp_path, texts), Query.of(split(texts))

    def moody(given: Sequence[str]) -> Words:
        return split([text if text in texts else "other " + text for text in given])

    monkeypatch.setattr("indexes.reading.split", moody)
    assert listed(index.find(query, texts.__getitem__)) == [(0, 0, 0, 0, 300)]


@pytest.mark.parametrize("texts", [[], [""], ["", "a b", ""], ["one two three four"]])
def test_nothing_to_find(tmp_path: Path, texts: list[str]) -> None:
    assert listed(looked_up(tmp_path, texts, ["one two three four five six seven"])) == []
    assert listed(looked_up(tmp_path, ["one two three four five six"], texts)) == []


def test_ids_and_facts(tmp_path: Path) -> None:
    build(tmp_path / "index", [Batch(["\u00e4\n", "b"], split(["a b c d e f", ""]))])
    ids = load(tmp_path / "index").texts.ids
    assert [ids[number] for number in range(len(ids))] == ["\u00e4\n", "b"]
    facts = json.loads((tmp_path / "index" / "meta.json").read_text())["facts"]
    assert (facts["texts"], facts["words"], facts["postings"]) == (2, 6, 2)
    assert sorted(path.suffix for path in (tmp_path / "index").iterdir()) == [
        ".json",
        *[".npy"] * 7,
        ".utf8",
    ]


def test_as_many_ids_as_texts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 ids of 2 texts"):
        build(tmp_path / "index", [Batch(["a"], split(["a b", "c"]))])


def test_too_many_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexes.building._MOST_WORDS", 3)
    with pytest.raises(ValueError, match="at most 3 words"):
        build(tmp_path / "index", [Batch(["a"], split(["a b"])), Batch(["b"], split(["c d"]))])


def test_other_rules(tmp_path: Path) -> None:
    build(tmp_path / "index", [])
    (tmp_path / "index" / "meta.json").unlink()
    seal(tmp_path / "index", kind="postings", facts={"schemes": ["words-0", "grams-1"]})
    with pytest.raises(FolderError, match="words-0"):
        load(tmp_path / "index")


def test_without_its_texts(tmp_path: Path) -> None:
    texts = ["one two three four five six seven eight"]
    build(tmp_path / "index", [Batch(["a"], split(texts))])
    index, query = load(tmp_path / "index"), Query.of(split(texts))
    assert listed(index.find(query, texts.__getitem__)) == [(0, 0, 0, 0, 8)]
    with pytest.raises(FolderError, match="built without its texts"):
        index.find(query)


def test_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "other").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        build(tmp_path / "index", [])


def test_kept_texts_that_were_changed_are_noticed_where_they_are_read(tmp_path: Path) -> None:
    text = " ".join(f"w{k}" for k in range(300))
    index = tmp_path / "index"
    build(index, [Batch(["a"], split([text]), [text])], keep_texts=True)
    (index / "texts.utf8").write_text(text.replace("w7 ", "v7 "))
    opened = load(index, verify=False)
    near, far = (Query.of(split([" ".join(text.split()[k : k + 9])])) for k in (3, 200))
    assert listed(opened.find(far)) == [(0, 0, 0, 200, 9)]
    with pytest.raises(FolderError, match="text a is not the one that was indexed"):
        opened.find(near)
    (index / "texts.utf8").write_bytes(text.replace("w7 ", "\xff7 ").encode("latin-1"))
    with pytest.raises(FolderError, match=r"text a is not .* can't decode byte 0xff"):
        load(index, verify=False).find(near)
    (index / "texts.utf8").write_text("short")
    with pytest.raises(FolderError, match="was changed: size 5"):
        load(index, verify=False)


def test_a_changed_index(tmp_path: Path) -> None:
    build(tmp_path / "index", [Batch(["a"], split(["a b c d e f"]))])
    path = tmp_path / "index" / "marks.npy"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(FolderError, match="was changed"):
        load(tmp_path / "index")


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=9), max_size=6), st.integers(1, 9))
def test_postings_in_order(folder: Path, blocks: list[list[int]], portion: int) -> None:
    place = folder / f"pool-{next(number)}"
    place.mkdir()
    pool, word = Pool(place), 0
    all_of_them = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "PORTION", portion)
        for block in blocks:
            # a few heavy grams, one of them the largest there can be
            grams = [gram if gram % 3 else [7, 2**64 - 1][gram % 2] for gram in block]
            all_of_them += [(gram >> 24, word + k, gram) for k, gram in enumerate(grams)]
            words = np.arange(word, word + len(grams), dtype=np.uint32)
            pool.add(Portion(np.array(grams, np.uint64), words))
            word += len(grams)
        parts = [list(zip(*(c.tolist() for c in part), strict=True)) for part in pool.in_order()]
    assert [gram for part in parts for gram in part] == [
        (gram, place) for _, place, gram in sorted(all_of_them)
    ]
    assert pool.total == len(all_of_them)


def test_a_column(tmp_path: Path) -> None:
    with Column(tmp_path / "a.npy", np.uint8) as column:
        for values in ([1, 2], [], [255] * 3000):
            column.add(np.array(values, np.int64))
    assert np.load(tmp_path / "a.npy").tolist() == [1, 2, *[255] * 3000]
