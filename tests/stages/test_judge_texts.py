"""Judge texts: planted truth, what does not count, and that no prompt and no attempt is lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.contract import Kit
from stages.statistics.intervals import clopper_pearson
from stages.tables import CHANCES, FINDINGS, MATCHES, OUTPUTS, PROMPTS, SPANS, TEXT_WORKS
from stages.verdicts.chances import chance_of
from stages.verdicts.judge_texts import STAGE, JudgeTextsConfig
from tests.stages.shelf import Shelf

TABLES = {"prompts": PROMPTS, "outputs": OUTPUTS, "matches": MATCHES, "spans": SPANS}
WORKS = {"t1": "train", "t2": "train", "c1": "control", "c2": "control"}
PHASES = {"d": "discovery", "c": "confirmation"}
Row = dict[str, Any]


@dataclass
class World:
    """Rows of one small run."""

    halves: Mapping[str, str] = field(default_factory=lambda: dict(WORKS))
    mixed: frozenset[str] = frozenset()
    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in TABLES})

    def ask(self, prompt: str, own: str | None, phases: str = "ddcc") -> "World":
        for sample, phase in enumerate(phases):
            named = {"prompt_id": prompt, "sample": sample, "phase": PHASES[phase]}
            whose = {"work_id": own, "half": self.halves[own] if own else None}
            self.rows["prompts"].append(
                {**named, **whose, "block": 0, "seed": 1, "origin": "prefix"}
            )
        return self

    def write(
        self,
        prompt: str,
        phases: str,
        runs: Mapping[str, Sequence[int | None]],
        *,
        model: str = "m",
        **more: Any,
    ) -> "World":
        """Add an output per letter of `phases` (capitals failed), with its run in each work."""
        numbers = more.get("numbers", range(len(phases)))
        for place, (sample, phase) in enumerate(zip(numbers, phases, strict=True)):
            made = f"{model}-{prompt}-{place}"
            ids = {"model_id": model, "prompt_id": prompt, "sample": sample}
            ids["phase"] = PHASES[phase.lower()]
            failed = "refused" if phase.isupper() else None
            output = {"output_id": made, "set": "s", "settings": "{}", "origin": "prefix"}
            own = {"work_id": more.get("own"), "half": more.get("half")}
            self.rows["outputs"].append({**ids, **output, **own, "failure": failed})
            for work, values in runs.items():
                if values[place] is not None:
                    self._match(ids, made, work, values[place], more)
        return self

    def _match(self, ids: Row, made: str, work: str, run: Any, more: Mapping[str, Any]) -> None:
        near = more.get("near", {}).get(work)
        self.rows["matches"].append(
            {
                **ids,
                "made_id": made,
                "work_id": work,
                "half": self.halves[work],
                "neighbor_id": f"{work}-text",
                "via": "words",
                "best": True,
                "output_words": more.get("output_words", 500),
                "run_words": run,
                "near_block_words": run if near is None else near,
                "tags": more.get("tags", {}).get(work, ""),
            }
        )

    def span(self, made: str, work: str, kind: str, words: int, **more: Any) -> "World":
        blank = dict.fromkeys(SPANS.schema.names, 0)
        text = dict.fromkeys(("set", "prompt_id", "text_id", "half", "edits", "level"), "x")
        named = {"output_id": made, "work_id": work, "kind": kind, "words": words}
        row = {**blank, **text, **named, "in_order": True, "tags": "", **more}
        self.rows["spans"].append({**row, "output_start": len(self.rows["spans"])})
        return self

    def works(self) -> pa.Table:
        rows = [
            {"text_id": f"{w}-text", "half": h, "work_id": w, "sha256": w, "mixed": w in self.mixed}
            for w, h in self.halves.items()
        ]
        return TEXT_WORKS.of_rows([{**row, "num_exact": 1, "num_near": 1} for row in rows])

    def judge(self, cuts: Sequence[set[str]] | None = None, **knobs: Any) -> list[Row]:
        full = {role: table.of_rows(self.rows[role]) for role, table in TABLES.items()}
        shelves = {
            "chances": knobs.pop("chances", CHANCES.of_rows(curve())),
            "works": self.works(),
            "all_matches": full["matches"],
            "spans": full["spans"],
        }
        kit = Kit(datasets={role: Shelf(table) for role, table in shelves.items()})
        tools = STAGE.open(JudgeTextsConfig(**knobs), kit)
        parts = []
        for cut in cuts or [None]:
            inputs = {}
            for role, wanted in STAGE.reads.items():
                keep = [r for r in self.rows[role] if cut is None or r["prompt_id"] in cut]
                inputs[role] = TABLES[role].of_rows(keep).select(list(wanted.names))
            parts.append(STAGE.run(inputs, tools).rows)
        return FINDINGS.check(pa.concat_tables(parts)).to_pylist()


def curve() -> list[Row]:
    rows = []
    for words in range(8, 65):
        events = max(0, 30 - words)
        row = {"words": words, "num_events": events, "num_blocks": 1200, "num_works": 25}
        rates = {"rate": events / 1200, "low": events / 2400, "high": max(events / 600, 3 / 1200)}
        rows.append({**row, **rates, "corpus_words": 18_210_000})
    return rows


def of(rows: Sequence[Row], method: str = "verbatim_words") -> dict[tuple[str, str | None], Row]:
    return {(r["prompt_id"], r["work_id"]): r for r in rows if r["method"] == method}


def planted(**more: Any) -> World:
    """Return a world in which prompt p gives 40 words of t1 back in 1 of 2 confirmations."""
    world = World(**more).ask("p", "t1").ask("q", "c1")
    world.write("p", "ddcc", {"t1": [45, 9, 40, 9], "t2": [9] * 4, "c1": [8] * 4})
    return world.write("q", "ddcc", {"t2": [9] * 4, "c1": [10, 9, 12, 9]})


def test_planted_copy_is_verbatim_text() -> None:
    rows = of(planted().judge())
    assert {key: row["verdict"] for key, row in rows.items()} == {
        ("p", "t1"): "verbatim_text",
        ("q", "c1"): "none",
        ("q", None): "none",
    }
    row = rows["p", "t1"]
    assert (row["k"], row["n"], row["score"], row["threshold"]) == (1, 2, 40, 32)
    assert (row["k_low"], row["k_high"]) == clopper_pearson(1, 2)
    assert (row["best_made_id"], row["neighbor_id"]) == ("m-p-2", "t1-text")
    assert (row["num_controls"], row["control_best"], row["own_caption"]) == (2, 12, True)
    assert row["reason"] == (
        "1 of 2 attempts gave the work back;"
        " none in 1,200,000 words of unseen works: at most 2.5 in 1,000 stretches of 1,000 words"
    )
    assert rows["q", "c1"]["reason"] == "a control work, 0 of 2 attempts gave it back"


@pytest.mark.parametrize(("run", "verdict"), [(31, "none"), (32, "verbatim_text")])
def test_a_run_on_the_mark_is_a_hit(run: int, verdict: str) -> None:
    world = World().ask("p", "t1").write("p", "c", {"t1": [run]})
    assert of(world.judge())["p", "t1"]["verdict"] == verdict


@pytest.mark.parametrize(("block", "verdict"), [(59, "none"), (60, "near_text")])
def test_a_block_with_edits_is_near_text(block: int, verdict: str) -> None:
    world = World().ask("p", "t1").write("p", "c", {"t1": [11]}, near={"t1": block})
    rows = world.judge()
    row = of(rows, "near_words")["p", "t1"]
    assert (row["verdict"], row["score"], row["threshold"]) == (verdict, block, 60)
    assert of(rows)["p", "t1"]["verdict"] == "none"
    # its longest exact run is 11 words long, which 19 of the blocks have
    assert ("19 stretches in 1,200,000 words" in row["reason"]) is (verdict == "near_text")


def test_controls_of_another_model_of_discovery_or_tagged_do_not_count() -> None:
    world = planted().ask("z", None, "dc")
    world.write("z", "c", {"c2": [99]}, model="other")
    world.write("z", "dc", {"c2": [99, 9]})
    world.write("y", "c", {"c1": [99]}, tags={"c1": "quoted,twin"})
    rows = [row for row in world.judge() if row["model_id"] == "m"]
    assert of(rows)["p", "t1"]["verdict"] == "verbatim_text"


def test_a_control_work_given_back_is_no_finding() -> None:
    swapped = {"t1": "control", "t2": "control", "c1": "train", "c2": "train"}
    rows = planted(halves=swapped).judge()
    assert {row["verdict"] for row in rows} == {"none"}
    assert of(rows)["p", "t1"]["reason"].startswith("a control work, 1 of 2 attempts gave it back")


def test_a_work_in_both_halves_is_no_finding_and_no_control() -> None:
    rows = of(planted(mixed=frozenset({"t1"})).judge())
    assert rows["p", "t1"]["verdict"] == "none"
    assert "texts in both halves" in rows["p", "t1"]["reason"]
    assert rows["p", None]["k"] == 0
    rows = of(planted(mixed=frozenset({"c1"})).judge())
    assert (rows["p", "t1"]["num_controls"], rows["p", "t1"]["control_best"]) == (1, None)


@pytest.mark.parametrize("tags", ["quoted", "common", "boilerplate", "quoted,twin"])
def test_a_passage_that_says_little_is_no_finding_and_not_hidden(tags: str) -> None:
    world = World().ask("p", "t2").write("p", "cc", {"t1": [80, 9]}, tags={"t1": tags})
    row = of(world.judge())["p", "t1"]
    assert (row["verdict"], row["k"], row["n"], row["score"]) == ("none", 0, 2, 80)
    word = tags.split(",", maxsplit=1)[0]
    assert f"a run of 80 words is tagged {word} and does not count" in row["reason"]


@pytest.mark.parametrize("tags", ["", "echoed", "twin", "echoed,twin"])
def test_other_tags_are_no_excuse(tags: str) -> None:
    world = World().ask("p", "t1").write("p", "c", {"t1": [80]}, tags={"t1": tags})
    assert of(world.judge())["p", "t1"]["verdict"] == "verbatim_text"


def test_another_run_of_the_same_pair_counts_in_its_place() -> None:
    def world(**more: Any) -> World:
        made = World().ask("p", "t1").write("p", "c", {"t1": [80]}, tags={"t1": "quoted"})
        made.span("m-p-0", "t1", "verbatim", 80, tags="quoted")
        made.span("m-p-0", "t2", "verbatim", 70)
        return made.span("m-p-0", "t1", **{"kind": "verbatim", "words": 50, **more})

    row = of(world().judge())["p", "t1"]
    assert (row["verdict"], row["k"], row["score"]) == ("verbatim_text", 1, 50)
    assert "a run of 80 words is tagged quoted and does not count" in row["reason"]
    for more in ({"words": 31}, {"tags": "common"}, {"echoed_words": 5}, {"kind": "near"}):
        assert of(world(**more).judge())["p", "t1"]["verdict"] == "none", more


def test_a_tagged_block_is_no_near_text_though_the_longest_run_is_clean() -> None:
    world = World().ask("p", "t1").write("p", "c", {"t1": [20]}, near={"t1": 90})
    assert of(world.judge(), "near_words")["p", "t1"]["verdict"] == "near_text"
    world.span("m-p-0", "t1", "near", 90, tags="common")
    row = of(world.judge(), "near_words")["p", "t1"]
    assert row["verdict"] == "none"
    assert "a block of 90 words is tagged common and does not count" in row["reason"]


def test_attempts_that_failed_or_matched_nothing_count() -> None:
    world = World().ask("p", "t1", "cccccc")
    world.write("p", "cCCcc", {"t1": [40, None, None, None, 9]})
    row = of(world.judge())["p", "t1"]
    assert (row["verdict"], row["k"], row["n"]) == ("verbatim_text", 1, 5)
    assert "2 of 5 attempts failed and count as misses" in row["reason"]
    assert "1 of 6 planned confirmation attempts missing" in row["reason"]


def test_discovery_nominates_and_is_no_finding() -> None:
    world = World().ask("p", None).write("p", "ddcc", {"t1": [90, 90, 9, 9], "t2": [9, 9, 50, 9]})
    rows = of(world.judge())
    assert (rows["p", "t1"]["verdict"], rows["p", "t1"]["k"]) == ("none", 0)
    assert rows["p", "t1"]["k_high"] == clopper_pearson(0, 2).high
    assert rows["p", "t2"]["verdict"] == "verbatim_text"
    assert rows["p", "t2"]["k_low"] is None
    assert "first seen in the seeds that are judged" in rows["p", "t2"]["reason"]


def test_no_attempt_is_not_examined() -> None:
    world = planted().ask("lost", "t2")
    for method in ("verbatim_words", "near_words"):
        rows = of(world.judge(), method)
        for work in ("t2", None):
            assert (rows["lost", work]["verdict"], rows["lost", work]["n"]) == ("not_examined", 0)
    assert "2 of 2 planned confirmation attempts missing" in rows["lost", None]["reason"]
    rows = World().ask("p", "t1").judge()
    assert {(row["model_id"], row["verdict"]) for row in rows} == {("unknown", "not_examined")}


def test_an_output_that_matches_nothing_was_examined() -> None:
    rows = of(World().ask("p", "t1").write("p", "ddcc", {}).judge())
    assert {(row["verdict"], row["n"]) for row in rows.values()} == {("none", 2)}
    assert rows["p", "t1"]["score"] is None


RATE, COUNT = "imported attempts, numbered without a gap", "imported attempts, existence only"


@pytest.mark.parametrize("model", ["imported", "imported:gpt-4"])
@pytest.mark.parametrize(
    ("numbers", "said"),
    [([0, 1, 2], RATE), ([3, 1, 2], RATE), ([0, 1, 3], COUNT), ([5, 6, 7], COUNT)],
)
def test_imported_attempts_are_a_rate_only_without_gaps(
    model: str, numbers: list[int], said: str
) -> None:
    world = World().write(
        "p", "cCc", {"t1": [40, None, 9]}, model=model, numbers=numbers, own="t1", half="train"
    )
    row = of(world.judge())["p", "t1"]
    assert (row["verdict"], row["k"], row["n"]) == ("verbatim_text", 1, 3)
    assert (row["k_low"] is not None) is (said == RATE)
    assert [each in row["reason"] for each in (said, RATE, COUNT)].count(True) == 2


def test_one_imported_attempt_is_no_rate() -> None:
    row = of(World().write("p", "c", {"t1": [40]}, model="imported").judge())["p", "t1"]
    assert (row["verdict"], row["k_low"]) == ("verbatim_text", None)
    assert "existence only" in row["reason"]


def test_imports_ask_nothing_of_planned_prompts_and_name_only_works_that_are_here() -> None:
    world = planted().write("r", "c", {}, model="imported:x", own="elsewhere", half="train")
    rows = world.judge()
    assert {row["prompt_id"] for row in rows if row["model_id"] == "imported:x"} == {"r"}
    assert all(row["work_id"] is None for row in rows if row["prompt_id"] == "r")


def test_chance_in_words() -> None:
    rows = curve()
    assert chance_of(7, rows, 10) == chance_of(40, [], 10)
    assert "not measured" in chance_of(7, rows, 10)
    assert chance_of(900, rows, 10) == chance_of(64, rows, 10)
    assert chance_of(18, rows, 2300) == (
        "12 stretches in 1,200,000 words of unseen works have such a run by chance:"
        " 10 in 1,000 stretches of 1,000 words (95 %: 5 to 20) (this output has 2,300 words)"
    )
    text = planted().judge(chances=CHANCES.empty())[0]["reason"]
    assert "the chance of such a run was not measured" in text


@pytest.mark.parametrize(
    ("knob", "value"), [("min_words", 7), ("min_near_words", 19), ("min_hits", 0)]
)
def test_impossible_rules_are_refused(knob: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"judge_texts\.{knob}: expected .*, got {value}"):
        JudgeTextsConfig(**{knob: value})


run_lengths = st.one_of(st.none(), st.sampled_from([8, 12, 31, 32, 40, 60, 80]))
output = st.tuples(st.sampled_from("dcDC"), st.tuples(*[run_lengths] * 4))
asked_prompts = st.lists(
    st.tuples(
        st.sampled_from([None, *WORKS]),
        st.lists(output, max_size=4),
        st.dictionaries(st.sampled_from([*WORKS]), st.sampled_from(["quoted", "twin"])),
    ),
    min_size=1,
    max_size=3,
)
few = settings(max_examples=25)


def drawn(spec: Sequence[Any], halves: Mapping[str, str] = WORKS) -> World:
    world = World(halves=halves)
    for number, (own, outputs, tags) in enumerate(spec):
        phases = "".join(phase for phase, _ in outputs)
        runs = [[None if phase.isupper() else runs[n] for phase, runs in outputs] for n in range(4)]
        world.ask(f"p{number}", own, phases.lower() or "dc")
        world.write(f"p{number}", phases, dict(zip(WORKS, runs, strict=True)), tags=tags)
    return world


@few
@given(asked_prompts)
def test_no_prompt_and_no_attempt_is_lost(spec: Sequence[Any]) -> None:
    world = drawn(spec)
    for method in ("verbatim_words", "near_words"):
        rows = [row for row in world.judge() if row["method"] == method]
        assert {row["prompt_id"] for row in rows} == {f"p{n}" for n in range(len(spec))}
        confirmed = {
            prompt: sum(
                row["prompt_id"] == prompt and row["phase"] == "confirmation"
                for row in world.rows["outputs"]
            )
            for prompt in {row["prompt_id"] for row in rows}
        }
        for row in rows:
            assert 0 <= row["k"] <= row["n"] == confirmed[row["prompt_id"]]
            assert (row["verdict"] == "not_examined") == (row["n"] == 0)
            if row["verdict"] in ("verbatim_text", "near_text"):
                assert row["half"] == "train"
                assert row["score"] >= row["threshold"]


@few
@given(asked_prompts)
def test_cutting_between_prompts_changes_nothing(spec: Sequence[Any]) -> None:
    world = drawn(spec)
    assert world.judge([{f"p{number}"} for number in range(len(spec))]) == world.judge()


@few
@given(asked_prompts)
def test_swapping_the_labels_never_flags_what_is_now_a_control(spec: Sequence[Any]) -> None:
    other = {"train": "control", "control": "train"}
    swapped = {work: other[half] for work, half in WORKS.items()}
    for halves in (WORKS, swapped):
        for row in drawn(spec, halves).judge():
            if row["verdict"] in ("verbatim_text", "near_text"):
                assert halves[row["work_id"]] == "train"


def crowded(words: Mapping[str, int | None], *, own: str | None = None, **more: Any) -> World:
    """Return a world in which an output has a notice in common with many works."""
    halves = {name: "control" if name.startswith("c") else "train" for name in words}
    tags = {**dict.fromkeys(words, "boilerplate"), **more.pop("tags", {})}
    world = World(halves={**halves, **more.pop("halves", {})}).ask("p", own, "cc")
    runs = {name: [count, 9] for name, count in words.items()}
    return world.write("p", "cc", runs, tags=tags, **more)


HUNDRED = {f"t{number:03d}": 60 for number in range(100)}
NO_ROW = "only passages that several works hold, and no row names them"


def test_a_notice_in_a_hundred_works_has_one_row() -> None:
    rows = of(crowded({**HUNDRED, "c0": 60}).judge())
    assert rows.keys() == {("p", "t000"), ("p", None)}
    row = rows["p", "t000"]
    assert (row["verdict"], row["k"], row["n"], row["score"]) == ("none", 0, 2, 60)
    assert "a run of 60 words is tagged boilerplate and does not count" in row["reason"]
    assert f"100 more works hold {NO_ROW}" in row["reason"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"t1": 60, "t2": 61, "t3": 60}, "t2"),
        ({"t1": 60, "c1": 61}, "c1"),
        ({"c1": 60, "t2": 60}, "t2"),
        ({"t2": 60, "t1": 60}, "t1"),
    ],
)
def test_of_a_crowd_the_closest_work_is_named(words: dict[str, int | None], named: str) -> None:
    for given_order in (words, dict(reversed(words.items()))):
        rows = of(crowded(given_order).judge())
        assert rows.keys() == {("p", named), ("p", None)}
        count = "1 more work holds" if len(words) == 2 else "2 more works hold"
        assert f"{count} {NO_ROW}" in rows["p", named]["reason"]


def test_a_work_that_has_more_than_the_notice_is_named_beside_the_crowd() -> None:
    world = crowded({**HUNDRED, "q": 60}, tags={"q": "quoted"})
    # the second is tagged too, but has another run that counts
    world.span("m-p-0", "t050", "verbatim", 60, tags="boilerplate")
    world.span("m-p-0", "t050", "verbatim", 40)
    rows = of(world.judge())
    assert rows.keys() == {("p", "t000"), ("p", "t050"), ("p", "q")}
    assert (rows["p", "t050"]["verdict"], rows["p", "t050"]["score"]) == ("verbatim_text", 40)
    assert f"98 more works hold {NO_ROW}" in rows["p", "t000"]["reason"]
    assert NO_ROW not in rows["p", "t050"]["reason"] + rows["p", "q"]["reason"]


def test_the_own_work_of_a_prompt_keeps_its_row_in_a_crowd() -> None:
    rows = of(crowded({"t1": 60, "t2": 61, "t3": 60}, own="t3").judge())
    assert rows.keys() == {("p", "t2"), ("p", "t3"), ("p", None)}
    assert f"1 more work holds {NO_ROW}" in rows["p", "t2"]["reason"]
    assert NO_ROW not in rows["p", "t3"]["reason"]
    rows = of(crowded({"t1": 60, "t2": 61}, own="t1").judge())
    assert rows.keys() == {("p", "t1"), ("p", "t2"), ("p", None)}
    assert NO_ROW not in "".join(row["reason"] for row in rows.values())


def test_a_judged_attempt_speaks_for_a_crowd_before_one_that_only_nominates() -> None:
    world = World().ask("p", None, "dc")
    world.write("p", "dc", {"t1": [90, 9], "t2": [9, 60]}, tags=dict.fromkeys(WORKS, "common"))
    rows = of(world.judge())
    assert rows.keys() == {("p", "t2"), ("p", None)}
    assert (rows["p", "t2"]["score"], rows["p", "t2"]["k"]) == (60, 0)


def test_runs_and_blocks_have_crowds_of_their_own() -> None:
    world = crowded({"t1": 60, "t2": 60}, near={"t1": 60, "t2": 90})
    rows = world.judge()
    assert of(rows).keys() == {("p", "t1"), ("p", None)}
    assert of(rows, "near_words").keys() == {("p", "t2"), ("p", None)}
