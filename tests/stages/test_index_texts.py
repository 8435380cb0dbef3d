import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from indexes.postings import load
from indexes.query import Query
from indexes.runs import scan
from indexes.words import split
from stages.contract import Kit, StageError
from stages.tables import TEXTS
from stages.text import index_texts
from tests.indexes.plain import listed
from tests.stages.tiny_texts import prose, rows_of

RNG = np.random.default_rng(8)
TRAIN = {
    "b": " \u2014 ".join(prose(RNG, 900, 40)),
    "a": "\n".join(prose(RNG, 700, 40)),
}
CONTROL = {"c": " ".join(prose(RNG, 300, 40))}


def rows(texts: Mapping[str, str], cut: int | None) -> pa.Table:
    found = [row for text_id, text in texts.items() for row in rows_of(text_id, text, cut)]
    return TEXTS.of_rows([row | {"title": f"Title of {row['text_id']}"} for row in found])


def write(folder: Path, cut: int | None) -> Path:
    folder.mkdir()
    works = pa.table({"text_id": ["a", "b", "c"], "work_id": ["a", "a", "c"]})
    inputs = {"train": [rows(TRAIN, cut)], "control": [rows(CONTROL, cut)], "works": [works]}
    config = index_texts.IndexTextsConfig()
    assert list(index_texts.index_texts(inputs, config, Kit(folder=folder))) == []
    return folder


@pytest.mark.parametrize("cut", [None, 70])
def test_the_index_holds_whole_texts_and_what_is_known_of_them(
    tmp_path: Path, cut: int | None
) -> None:
    folder = write(tmp_path / "index", cut)
    texts, about = [*TRAIN.values(), *CONTROL.values()], index_texts.about_texts(folder)
    known = [json.loads(about[number]) for number in range(len(about))]
    assert [(row["text_id"], row["work_id"], row["half"]) for row in known] == [
        ("b", "a", "train"),
        ("a", "a", "train"),
        ("c", "c", "control"),
    ]
    assert known[1]["title"] == "Title of a"
    query = Query.of(split([texts[0][700:2500], texts[1][:900], texts[2]]))
    assert listed(load(folder).find(query)) == listed(scan(query, split(texts)))


def test_where_texts_are_cut_changes_nothing(tmp_path: Path) -> None:
    whole, cut = (write(tmp_path / str(size), size) for size in (None, 70))
    assert sorted(file.name for file in whole.iterdir()) == sorted(
        file.name for file in cut.iterdir()
    )
    for file in whole.iterdir():
        assert (cut / file.name).read_bytes() == file.read_bytes(), file.name


def test_more_words_than_an_index_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexes.building._MOST_WORDS", 1000)
    with pytest.raises(StageError, match="index_texts: an index holds at most 1000 words"):
        write(tmp_path / "index", None)


def test_a_folder_to_write_to_is_needed() -> None:
    inputs: dict[str, list[pa.Table]] = {"train": [], "control": [], "works": []}
    with pytest.raises(StageError, match="got none"):
        list(index_texts.index_texts(inputs, index_texts.IndexTextsConfig(), Kit()))
