"""Probes: copies are drawn, made and looked for, the same in every run."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.case import Case
from pipeline.flow import FLOW
from pipeline.parse import parse
from pipeline.plan import variants
from stages.contract import Kit
from stages.images import plant, probes
from stages.images.edits import EDITS, MOST_SIDE, ROUND_TRIP, UNCHANGED, edited
from stages.images.plant import PlantTools
from stages.pixels import DecodeError, decode, encode_png
from stages.probing import ProbesConfig, drawn
from stages.tables import COPIES, GENERATIONS, OUTPUTS, PROMPTS, TEXT_WORKS, WORKS
from stages.text import probe_texts
from stages.text.probe_texts import ProbeTextsConfig
from tests.stages.tiny_texts import prose, table


class Shelf:
    """A dataset whose rows are taken by their key."""

    def __init__(self, rows: pa.Table, key: str) -> None:
        self.rows = rows
        self.places = {name: n for n, name in enumerate(rows[key].to_pylist())}

    def read(self, names: Sequence[str]) -> pa.Table:
        return self.rows.select(list(names))

    def take(self, ids: Sequence[str], names: Sequence[str]) -> pa.Table:
        places = pa.array([self.places[name] for name in ids], pa.int64())
        return self.rows.take(places).select(list(names))


def picture(height: int = 40, width: int = 60, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


# the draw

halves_of = st.dictionaries(st.text("abcdef", max_size=4), st.sampled_from(["train", "control"]))


@settings(max_examples=60)
@given(halves_of, st.integers(0, 12), st.integers(0, 3))
def test_the_draw_is_even_and_knows_no_order(halves: Any, number: int, seed: int) -> None:
    found = drawn(halves, number, seed)
    assert found == drawn(dict(reversed(halves.items())), number, seed)
    assert len(found) == len(set(found)) == min(number, len(halves))
    sizes = {half: sum(halves[name] == half for name in found) for half in ("train", "control")}
    have = {half: sum(h == half for h in halves.values()) for half in ("train", "control")}
    for half, size in sizes.items():
        assert size == have[half] or size >= number // 2


def test_another_seed_draws_other_works_and_a_larger_number_keeps_those_of_the_smaller() -> None:
    halves = {f"{n:02d}": "train" if n % 2 else "control" for n in range(40)}
    assert set(drawn(halves, 10, 0)) != set(drawn(halves, 10, 1))
    assert set(drawn(halves, 10, 0)) < set(drawn(halves, 20, 0))


def probed(rows: Sequence[Mapping[str, Any]], **knobs: Any) -> list[dict[str, Any]]:
    names = list(probes.STAGE.reads["works"].names)
    batches = [WORKS.of_rows([row]).select(names) for row in rows]
    outs = list(probes.STAGE.run({"works": batches}, ProbesConfig(**knobs), Kit()))
    return [row for out in outs for row in PROMPTS.check(out.rows).to_pylist()]


def test_every_work_is_asked_for_once_an_edit_and_works_of_both_halves_never() -> None:
    rows = [{"work_id": f"w{n}", "half": "train", "mixed": n == 3} for n in range(6)] * 2
    asked = probed([*rows, {"work_id": "w9", "half": "control", "mixed": False}])
    assert {row["work_id"] for row in asked} == {"w0", "w1", "w2", "w4", "w5", "w9"}
    assert len({row["prompt_id"] for row in asked}) == len(asked) == 6 * len(EDITS)
    assert {(row["origin"], row["phase"]) for row in asked} == {("planted", "confirmation")}
    assert probed(rows, works=0) == []


def test_numbers_below_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"probes.works: expected 0 or more, got -1"):
        ProbesConfig(works=-1)


# the copies of pictures


@pytest.mark.parametrize("name", [name for name in EDITS if name != ROUND_TRIP])
@pytest.mark.parametrize("size", [(2, 2), (2, 90), (40, 60)])
def test_the_same_bytes_and_seed_give_the_same_copy(name: str, size: tuple[int, int]) -> None:
    data = encode_png(picture(*size))
    one, two = (edited(name, data, 7) for _ in range(2))
    assert one == two
    assert one is not None
    shape = decode(one["bytes"]).rgb_HWC.shape
    assert shape == (one["height"], one["width"], 3)


def test_copies_differ_from_the_work_and_from_each_other_but_stay_near_it() -> None:
    data = encode_png(picture())
    seen = {}
    for name in EDITS:
        copy = edited(name, data, 7, lambda rgb_HWC: rgb_HWC // 2)
        assert copy is not None
        seen[name] = copy
    assert seen[UNCHANGED]["bytes"] == data
    assert len({copy["sha256"] for copy in seen.values()}) == len(EDITS)
    for name in ("half size and back", "a little noise", "JPEG of quality 50"):
        near = decode(seen[name]["bytes"]).rgb_HWC.astype(float)
        assert 0 < np.abs(near - picture()).mean() < 12
    assert (seen["middle 75 % of each side"]["height"], seen[UNCHANGED]["height"]) == (30, 40)


def test_noise_comes_from_the_seed() -> None:
    data = encode_png(picture())
    assert edited("a little noise", data, 1) != edited("a little noise", data, 2)
    assert edited("half size and back", data, 1) == edited("half size and back", data, 2)


def test_large_pictures_are_taken_down_to_what_models_draw() -> None:
    copy = edited(UNCHANGED, encode_png(picture(30, 3000)), 0)
    assert copy is not None
    assert (copy["width"], copy["height"]) == (MOST_SIDE, 10)


def test_a_model_of_pixels_makes_no_round_trip() -> None:
    assert edited(ROUND_TRIP, encode_png(picture()), 0) is None


def test_hostile_input_is_refused_by_name() -> None:
    with pytest.raises(DecodeError):
        edited(UNCHANGED, b"GIF89a", 0)
    with pytest.raises(ValueError, match="expected one of unchanged"):
        edited("upside down", encode_png(picture()), 0)


def planted(files: Mapping[str, bytes], size: tuple[int | None, int | None] = (None, None)) -> Any:
    works = [{"work_id": name, "half": "train", "mixed": False} for name in files]
    asked = PROMPTS.of_rows(probed(works)).select(list(plant.STAGE.reads["prompts"].names))
    shelf = Shelf(pa.table({"image_id": list(files), "bytes": list(files.values())}), "image_id")
    return plant.plant({"prompts": asked}, PlantTools(shelf, "m", size, None))


def test_copies_bear_the_model_and_a_broken_work_is_rejected_once() -> None:
    out = planted({"a": encode_png(picture()), "b": b"\x89PNG\r\n\x1a\n broken"})
    rows = GENERATIONS.check(out.rows).to_pylist()
    assert len(rows) == len(EDITS) - 1
    assert {row["model_id"] for row in rows} == {"m"}
    assert [(row.key, row.code) for row in out.rejected] == [("b", "truncated")]


def test_the_same_model_at_another_size_has_other_ids() -> None:
    files = {"a": encode_png(picture())}
    one, two = planted(files).rows, planted(files, (64, 64)).rows
    assert not set(one["image_id"].to_pylist()) & set(two["image_id"].to_pylist())


def test_exif_and_jpeg_pass_untouched() -> None:
    out = BytesIO()
    Image.fromarray(picture()).save(out, "JPEG", quality=95)
    copy = edited(UNCHANGED, out.getvalue(), 0)
    assert copy is not None
    assert (copy["format"], copy["bytes"]) == ("jpeg", out.getvalue())


# the copies of passages


def looked_for(texts: Mapping[str, str], outputs: Sequence[str | None], **knobs: Any) -> Any:
    rows = [
        {"text_id": name, "work_id": name, "half": half, "mixed": name == "mixed"}
        for name, half in zip(texts, ["train", "control"] * len(texts), strict=False)
    ]
    names = list(probe_texts.STAGE.reads["works"].names)
    written = [{"model_id": "m", "text": text} for text in outputs]
    inputs = {
        "works": [TEXT_WORKS.of_rows([row]).select(names) for row in rows],
        "outputs": [OUTPUTS.of_rows(written).select(["model_id", "text"])],
    }
    kit = Kit(datasets={"texts": Shelf(table(texts, cut=700), "piece_id")})
    outs = list(probe_texts.STAGE.run(inputs, ProbeTextsConfig(**knobs), kit))
    return [row for out in outs for row in COPIES.check(out.rows).to_pylist()]


def told(seed: int, words: int) -> str:
    said = prose(np.random.default_rng(seed), words)
    return " ".join(f"{word}." if n % 11 == 10 else word for n, word in enumerate(said))


def scores(rows: Sequence[Mapping[str, Any]], method: str) -> dict[str, set[float]]:
    found: dict[str, set[float]] = {}
    for row in rows:
        if row["method"] == method:
            found.setdefault(row["edit"], set()).add(row["score"])
    return found


def test_what_each_edit_leaves_of_a_passage() -> None:
    works = {f"w{n}": told(n, 1500 + n) for n in range(4)}
    rows = looked_for(works, [told(99, 96)] * 3)
    assert scores(rows, "verbatim_words") == {
        "word for word": {96.0},
        "other case and line breaks": {96.0},
    }
    near = scores(rows, "near_words")
    # 8 and 12 of 96 words are others; of one in eight only runs of seven are left
    assert near["1 word in 12 changed"] == {88.0}
    assert near["1 word in 8 changed"] == {84.0}
    # what changes places is no block: the longest sentence has 11 words
    assert max(near["sentences in another order"]) < 60
    turned = [row for row in rows if row["edit"] == "sentences in another order"]
    assert {row["method"] for row in turned} == {"near_words"}
    assert {row["hit"] for row in turned} == {False}
    assert all(row["hit"] for row in rows if row not in turned)


def test_copies_are_as_long_as_the_middle_output_and_failures_do_not_count() -> None:
    rows = looked_for({"w": told(0, 400)}, [None, told(1, 20), told(2, 25), told(3, 300)])
    assert scores(rows, "verbatim_words")["word for word"] == {25.0}
    assert not any(row["hit"] for row in rows)
    assert looked_for({"w": told(0, 400)}, [None, None]) == []


def test_short_and_mixed_works_are_not_copied_and_nothing_is_drawn_twice() -> None:
    works = {"long": told(0, 200), "short": told(1, 20), "mixed": told(2, 200), "l2": told(3, 99)}
    rows = looked_for(works, [told(9, 99)])
    assert {row["work_id"] for row in rows} == {"long", "l2"}
    assert rows == looked_for(works, [told(9, 99)])
    assert looked_for(works, [told(9, 99)], works=0) == []


@pytest.mark.parametrize(
    "text", ["\u6f22\u5b57" * 200, "a " * 300, "...!?! " * 50 + "one two three " * 40]
)
def test_odd_texts_are_looked_for_like_others(text: str) -> None:
    rows = looked_for({"w": text}, [told(9, 40)])
    assert all(row["score"] >= 0 for row in rows)


# the flow

NAMES = [step.writes for step in FLOW if step.writes.startswith("probe.")]
PLAIN = {"name": "c", "embed": {"model": {"path": "clip"}}}
MODEL = {"model": {"path": "model"}}


def made_by(case: Case) -> set[str]:
    ours = [*NAMES, "made.limits", "made.text_limits"]
    begins = {"probe.prompts", "probe.images", "probe.copies", "probe.text_copies"}
    begins |= {"made.limits", "made.text_limits"}
    return {
        step.writes
        for step in FLOW
        if step.writes in ours and step.writes in begins and list(variants(step, case))
    }


def test_a_case_without_models_or_writers_plants_nothing() -> None:
    assert made_by(parse(PLAIN, Case)) == set()
    images = {"probe.prompts", "probe.images", "probe.copies", "made.limits"}
    assert made_by(parse(PLAIN | {"models": {"a": MODEL}}, Case)) == images
    texts = parse({"name": "c", "writers": {"a": MODEL}}, Case)
    assert made_by(texts) == {"probe.text_copies", "made.text_limits"}


def test_a_model_is_planted_once_for_each_size() -> None:
    other = MODEL | {"steps": 9}
    case = parse(PLAIN | {"models": {"a": MODEL, "b": other, "c": MODEL | {"width": 64}}}, Case)
    assert list(case.plant) == ["a", "c"]


def test_what_a_finding_has_to_meet_comes_from_the_sections_that_say_so() -> None:
    case = parse(
        PLAIN
        | {"assess": {"q": 0.2, "min_rate": 0.1}, "flag": {"min_hits": 3}}
        | {"setting": "randomised", "judge_texts": {"min_hits": 2, "min_words": 20}},
        Case,
    )
    assert (case.limits.min_hits, case.limits.q, case.limits.min_rate) == (3, 0.2, 0.1)
    assert (case.text_limits.min_hits, case.text_limits.setting) == (2, "randomised")
    assert (case.probe_texts.min_words, case.probe_texts.least("near_words")) == (20, 60)
