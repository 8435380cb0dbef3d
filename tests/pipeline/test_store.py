from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets import Dataset
from pipeline.errors import StoreError
from pipeline.store import BLOBS_PER_GROUP, Part, Record, Store
from stages.contract import TableError
from tests.pipeline.toy import NUMBERS


def rows(count: int, start: int = 0) -> pa.Table:
    listed = [
        {"number_id": f"n{i}", "value": i, "bytes": str(i).encode() * 3}
        for i in range(start, start + count)
    ]
    return NUMBERS.of_rows(listed)


def write(store: Store, table: pa.Table, attempt: str = "aaaa") -> Part:
    place = store.root / "data" / "in.numbers" / f"p-{attempt}"
    return store.write_part(NUMBERS, "p", table, place=place)


def record(part: Part) -> Record:
    return Record(dataset="in.numbers", task="p", identity="0" * 64, parts=(part,))


def test_first_writer_wins_and_the_loser_cleans_up(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second = write(store, rows(3), "aaaa"), write(store, rows(3), "bbbb")
    assert store.commit(record(first)) is True
    assert store.commit(record(second)) is False
    found = store.find("in.numbers", "p", "0" * 64)
    assert found == record(first)
    assert {path.name for path in (tmp_path / "data" / "in.numbers").iterdir()} == {
        "p-aaaa.parquet",
        "p-aaaa.blobs.parquet",
    }


def test_large_columns_lie_in_a_file_of_their_own(tmp_path: Path) -> None:
    store = Store(tmp_path)
    part = write(store, rows(3))
    _, blobs = part.files
    (tmp_path / blobs.path).unlink()
    assert store.read(part, ["value", "number_id"]).to_pydict()["value"] == [0, 1, 2]
    with pytest.raises(StoreError, match="is gone"):
        store.read(part, ["bytes"])


def test_file_is_never_overwritten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write(store, rows(1))
    with pytest.raises(FileExistsError):
        write(store, rows(2))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop_columns(["value"]), "expected"),
        (lambda t: pa.concat_tables([t, t]), "does not identify a row"),
        (lambda t: t.set_column(1, "value", pa.array([1.5] * t.num_rows)), "expected"),
    ],
)
def test_rows_that_are_not_their_table_are_refused(
    tmp_path: Path, change: object, said: str
) -> None:
    assert callable(change)
    with pytest.raises(TableError, match=said):
        write(Store(tmp_path), change(rows(2)))


@given(st.lists(st.integers(0, 99), max_size=12))
def test_take_returns_the_rows_of_the_ids_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[int]
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    assert BLOBS_PER_GROUP < 60, "a part must have several row groups for this test to say much"
    parts = [
        store.write_part(
            NUMBERS, name, rows(count, start), place=store.root / "data" / "d" / f"{name}-a"
        )
        for name, count, start in (("x", 70, 0), ("y", 30, 70))
    ]
    ids = [f"n{i}" for i in wanted]
    found = Dataset(store, NUMBERS, parts).take(ids, ["value", "bytes"])
    assert found["value"].to_pylist() == wanted
    assert found["bytes"].to_pylist() == [str(i).encode() * 3 for i in wanted]


def test_take_of_an_unknown_id_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(KeyError, match="nobody"):
        Dataset(store, NUMBERS, [write(store, rows(1))]).take(["nobody"], ["value"])
