from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexes.stored import first_samples, sample_bytes, samples
from indexes.strings import Strings, StringsWriter, opened
from indexes.words import split

lines = st.lists(st.text(st.characters(exclude_categories=[]), max_size=9), max_size=9)


def written(folder: Path, texts: list[str], cut: int) -> Strings:
    for file in folder.iterdir():
        file.unlink()
    with StringsWriter(folder, "some") as strings:
        for first in range(0, len(texts), cut):
            strings.add(texts[first : first + cut])
    return opened(folder / "some.utf8", np.load(folder / "some-ends.npy"))


@given(lines, st.integers(1, 4))
def test_texts_come_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], cut: int
) -> None:
    found = written(tmp_path_factory.mktemp("strings"), texts, cut)
    assert [found[number] for number in range(len(found))] == texts


def test_a_part_of_a_text_by_its_bytes(tmp_path: Path) -> None:
    found = written(tmp_path, ["\u00e9a", "", "b\u6771c"], 2)
    assert (found.part(0, 0, 2), found.part(0, 2, None)) == ("\u00e9", "a")
    assert (found.part(2, 1, 4), found.part(2, 4, 5)) == ("\u6771", "c")
    with pytest.raises(ValueError, match="codec can't decode"):
        found.part(2, 2, 4)


@given(st.lists(st.tuples(st.integers(0, 70), st.sampled_from("a\u00e9\u6771")), max_size=4))
def test_bytes_of_samples_are_those_of_their_code_points(sizes: list[tuple[int, str]]) -> None:
    texts = ["\u2014 " + f"{letter} \u00b7x, " * size for size, letter in sizes]
    words = split(texts)
    first_T = first_samples(words.offsets_T).tolist()
    chars, places = samples(words).tolist(), sample_bytes(texts, words).tolist()
    for text, first, last in zip(texts, first_T, first_T[1:], strict=False):
        expected = [len(text[:char].encode()) for char in chars[first:last]]
        assert places[first:last] == expected
