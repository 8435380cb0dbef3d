import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes.building import Batch, build
from indexes.postings import Postings, load
from indexes.query import Query
from indexes.runs import scan
from indexes.words import split
from stages.measures import excerpts
from stages.measures.chaining import REACH
from stages.measures.passages import Overlap, overlap
from stages.measures.wording import Lexicon, Wording
from stages.text.look_up import Found, look_up

number = itertools.count()
VOCABULARY = [f"{a}{b}" for a in "bcdfg" for b in ("\u00e9a", "o", "ui", "\u6771")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("look-up")


def indexed(folder: Path, texts: Sequence[str]) -> Postings:
    path = folder / f"index-{next(number)}"
    ids = [str(k) for k in range(len(texts))]
    build(path, [Batch(ids, split(texts), texts)], keep_texts=True)
    return load(path, verify=False)


def prose(rng: np.random.Generator, size: int, words: int = len(VOCABULARY)) -> list[str]:
    return [VOCABULARY[word] for word in rng.integers(0, words, size)]


def distinct(rng: np.random.Generator, size: int) -> list[str]:
    return [f"w{word}" for word in rng.integers(0, 99_999, size)]


def edited(rng: np.random.Generator, words: list[str], every: int) -> list[str]:
    """Return words of which about one in so many is replaced, left out, or has one put in."""
    out: list[str] = []
    for word in words:
        edit = rng.integers(0, 3) if rng.integers(0, every) == 0 else 3
        out += [["other"], [], ["more", word], [word]][edit]
    return out


def by_whole_texts(texts: Sequence[str], output: str) -> dict[int, Overlap]:
    runs = scan(Query.of(split([output])), split(texts))
    lexicon, found = Lexicon(), {}
    for text in np.unique(runs.text_R).tolist():
        own = runs.take(runs.text_R == text)
        made = Wording(output, lexicon)
        columns = (own.output_word_R, own.text_word_R, own.words_R)
        found[text] = overlap(
            made,
            Wording(texts[text], lexicon),
            runs_R3=np.stack(columns, axis=1).astype(np.int64),
            echoed_N=np.zeros(len(made), np.bool_),
        )
    return found


def same(found: Found, texts: Sequence[str], output: str) -> bool:
    expected = by_whole_texts(texts, output)
    assert [shared.number for shared in found.shared] == sorted(expected)
    for shared in found.shared:
        whole = expected[shared.number]
        assert shared.overlap.passages == whole.passages
        assert shared.overlap.blocks == whole.blocks
        assert shared.overlap.runs_R3.tolist() == whole.runs_R3.tolist()
        for inside, passage in zip(shared.inside.passages, whole.passages, strict=True):
            text = texts[shared.number][passage.text_start : passage.text_end]
            assert shared.text.text[inside.text_start : inside.text_end] == text
    return True


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], str]:
    """Return texts and an output that copies parts of them, edited, in any order."""
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    kind = draw(st.sampled_from([2, 5, len(VOCABULARY), 0]))
    sizes = draw(st.lists(st.integers(0, 900), min_size=1, max_size=4))
    texts = [prose(rng, size, kind) if kind else distinct(rng, size) for size in sizes]
    made = list[str]()
    for _ in range(draw(st.integers(0, 5))):
        text = texts[draw(st.integers(0, len(texts) - 1))]
        start, size = draw(st.integers(0, 900)), draw(st.integers(5, 400))
        made += edited(rng, text[start : start + size], draw(st.integers(3, 60)))
        made += distinct(rng, draw(st.integers(0, 90)))
    gaps = [" ", "\n", ", ", " \u2014 "]
    return [gaps[k % 4].join(text) for k, text in enumerate(texts)], " ".join(made)


@given(cases())
def test_the_same_passages_as_of_whole_texts(folder: Path, case: tuple[list[str], str]) -> None:
    texts, output = case
    index = indexed(folder, texts)
    assert same(look_up(index, output), texts, output)
    assert same(look_up(index, output, text_of=texts.__getitem__), texts, output)


@settings(max_examples=30)
@given(cases())
def test_windows_that_are_too_narrow_are_read_again(
    folder: Path, case: tuple[list[str], str]
) -> None:
    texts, output = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(excerpts, "BESIDE", REACH)
        patch.setattr("stages.text.look_up.BESIDE", REACH)
        assert same(look_up(indexed(folder, texts), output), texts, output)


def test_a_copy_that_goes_on_without_a_run_is_followed_to_its_end(folder: Path) -> None:
    rng = np.random.default_rng(4)
    words = distinct(rng, 4000)
    # an edit every fourth word leaves no run of five: only alignment follows it
    crumbs = [word if k % 4 else "other" for k, word in enumerate(words[1000:1400])]
    output = " ".join([*distinct(rng, 50), *words[980:1000], *crumbs])
    texts = [" ".join(words)]
    found = look_up(indexed(folder, texts), output)
    assert same(found, texts, output)
    (near,) = (p for p in found.shared[0].overlap.passages if p.kind == "near")
    assert near.words == 20 + 300
    assert len(found.shared[0].text) < 3000


def test_only_what_lies_around_runs_is_read(folder: Path) -> None:
    rng = np.random.default_rng(5)
    words = distinct(rng, 50_000)
    text = " ".join(words)
    output = " ".join([*words[9000:9060], *distinct(rng, 200), *words[41_000:41_030]])
    (shared,) = look_up(indexed(folder, [text]), output).shared
    assert [p.text_word for p in shared.overlap.passages] == [9000, 41_000]
    assert len(shared.text) < 600


def test_a_lexicon_may_be_kept(folder: Path) -> None:
    rng = np.random.default_rng(6)
    texts = [" ".join(prose(rng, 300)) for _ in range(3)]
    index, lexicon = indexed(folder, texts), Lexicon()
    for text in texts:
        output = " ".join(edited(rng, text.split()[40:120], 9))
        assert same(look_up(index, output, lexicon=lexicon), texts, output)


@pytest.mark.parametrize("output", ["", " \n", "none of these words"])
def test_nothing_shared(folder: Path, output: str) -> None:
    found = look_up(indexed(folder, ["one two three four five six seven eight"]), output)
    assert (found.shared, len(found.runs.words_R)) == ((), 0)
