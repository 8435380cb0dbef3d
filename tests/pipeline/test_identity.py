from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.identity import column_digest, contents_of, digest, plain, schema_value
from stages.contract import FileText, column
from stages.models.files import ModelRef
from stages.tables import IMAGES

VALUES = {
    pa.large_string(): st.text(max_size=4),
    pa.large_binary(): st.binary(max_size=4),
    pa.int32(): st.integers(-9, 9),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.large_list(pa.float32()): st.lists(st.floats(width=32, allow_nan=False), max_size=3),
}


@st.composite
def columns(draw: Any) -> tuple[list[Any], pa.DataType]:
    kind = draw(st.sampled_from(list(VALUES)))
    return draw(st.lists(st.none() | VALUES[kind], max_size=8)), kind


def chunked(values: list[Any], kind: pa.DataType, cut: int) -> pa.ChunkedArray:
    pieces = [values[i : i + cut] for i in range(0, len(values), cut)]
    return pa.chunked_array([pa.array(piece, kind) for piece in pieces], kind)


@given(columns(), st.integers(1, 8))
def test_digest_depends_on_values_alone(drawn: tuple[list[Any], pa.DataType], cut: int) -> None:
    values, kind = drawn
    whole = pa.chunked_array([pa.array(values, kind)], kind)
    padded = pa.array([None, *values, None], kind).slice(1, len(values))
    assert column_digest(whole) == column_digest(chunked(values, kind, cut))
    assert column_digest(whole) == column_digest(pa.chunked_array([padded], kind))


@given(columns(), columns())
def test_other_values_have_another_digest(
    one: tuple[list[Any], pa.DataType], other: tuple[list[Any], pa.DataType]
) -> None:
    first, second = (pa.chunked_array([pa.array(v, k)], k) for v, k in (one, other))
    same = first.type == second.type and repr(first.to_pylist()) == repr(second.to_pylist())
    assert (column_digest(first) == column_digest(second)) == same


def test_null_is_not_the_empty_value() -> None:
    for kind, empty in ((pa.large_string(), ""), (pa.int32(), 0), (pa.bool_(), False)):
        assert column_digest(pa.array([None], kind)) != column_digest(pa.array([empty], kind))
    one, other = (pa.array(v, pa.large_string()) for v in (["ab", "c"], ["a", "bc"]))
    assert column_digest(one) != column_digest(other)


def test_nan_has_no_canonical_form() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest(float("nan"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    model: ModelRef
    captions: FileText | None = None
    knob: int = 1


def test_models_and_files_enter_by_content_not_by_place() -> None:
    here = Config(model=ModelRef(path="a/model"), captions="a/captions.txt")
    there = Config(model=ModelRef(path="b/model"), captions="b/captions.txt")
    contents = {content: "0" * 64 for c in (here, there) for content in contents_of(c)}
    assert plain(here, contents) == plain(there, contents)
    changed = {**contents, "b/captions.txt": "1" * 64}
    assert plain(here, changed) != plain(there, changed)


def test_wording_of_a_meaning_is_not_identity_but_type_and_unit_are() -> None:
    def value(**changes: Any) -> Any:
        wanted = {"dtype": pa.int32(), "meaning": "width", "unit": "pixels", **changes}
        field = column("width", **wanted)
        names = [field if f.name == "width" else f for f in IMAGES.schema]
        return schema_value(
            type(IMAGES)(name="images", grain="", key=("image_id",), schema=pa.schema(names))
        )

    assert value() == value(meaning="how wide it is")
    assert value() != value(unit="inches")
    assert value() != value(dtype=pa.int64())
