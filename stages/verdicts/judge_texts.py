"""Judge texts: what each prompt gave back of which work, word for word or nearly.

A work is a candidate for `verbatim_text` if it is a training work, and enough confirmation attempts
have a run of enough words in common with it that was not in the prompt; `near_text` says the same
of blocks of words with edits between. `confirm` says which candidates stand out against the
controls. Every prompt of every model has its row, and attempts that failed count as misses.

A passage that is quoted, or that several works hold, says little about this one. It is no hit, of
a training work no more than of a control, but it stays in the row, and another passage of the same
pair may count in its place. Of the works in which only such passages stand that several works hold,
the closest has a row, and it says how many there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from stages.contract import Kit, MapStage, Out, columns
from stages.tables import CHANCES, FINDINGS, MATCHES, OUTPUTS, PROMPTS, SPANS, TEXT_WORKS
from stages.verdicts.chances import chance_of
from stages.verdicts.excuses import KINDS, Crowd, Excuses, Kind, score_of
from stages.verdicts.trials import (
    CONFIRMATION,
    Bench,
    Pair,
    Reason,
    Row,
    Trial,
    asked,
    foreign,
    grouped,
    judged,
    plan,
    unexamined,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTextsConfig:
    """Knobs of the judge_texts stage."""

    min_words: int = 32
    """Words of a run that is a hit; 8 or more, the least that the search is sure to find. Of 1,200
    blocks of 800 words of unseen books none had a run of 32 words in a hundred million characters
    of other books by chance; 1 in 1,200 had one of 20."""

    min_near_words: int = 60
    """Matched words of a near-verbatim block that is a hit; 20 or more, the least that is kept.
    About twice as many as of a run, as edits leave more ways to agree by chance."""

    min_hits: int = 1
    """Confirmation attempts that must give a work back; 1 or more."""

    def __post_init__(self) -> None:
        """Refuse rules that everything would meet.

        Raises:
            ValueError: a knob is out of range.
        """
        for name, least in (("min_words", 8), ("min_near_words", 20), ("min_hits", 1)):
            if (found := getattr(self, name)) < least:
                raise ValueError(f"judge_texts.{name}: expected {least} or more, got {found}")

    def least(self, kind: Kind) -> int:
        """Return the words from which on a passage of a kind is a hit."""
        return self.min_words if kind.name == "verbatim" else self.min_near_words


class JudgeTextsTools(NamedTuple):
    """What `judge_texts` needs besides its rows."""

    config: JudgeTextsConfig
    chances: Sequence[Row]
    """CHANCES by length."""
    known: frozenset[str]
    """All works."""
    mixed: frozenset[str]
    """Works in both halves."""
    num_controls: int
    """Works of the control half alone."""
    models: frozenset[str]
    """Models of which any attempt matched any work."""
    excuses: Excuses
    rivals: Mapping[tuple[str, str], float]
    """(kind, model) -> longest passage of a control work that counts, over confirmations."""


def open_judge_texts(config: JudgeTextsConfig, kit: Kit) -> JudgeTextsTools:
    """Read the chances, the works, and what the controls reached over all prompts."""
    works = kit.datasets["works"].read(["work_id", "half", "mixed"])
    mixed = frozenset(works.filter(works["mixed"])["work_id"].to_pylist())
    controls = set(works.filter(pc.equal(works["half"], "control"))["work_id"].to_pylist())
    matches = kit.datasets["all_matches"].read(list(_RIVALS))
    excuses = Excuses.of(
        kit.datasets["spans"].read(list(_SPANS)), {k.name: config.least(k) for k in KINDS}
    )
    named = pc.and_(pc.equal(matches["half"], "control"), pc.equal(matches["phase"], CONFIRMATION))
    rivals: dict[tuple[str, str], float] = {}
    for row in matches.filter(named).to_pylist():
        for kind in KINDS:
            score = score_of(row, kind, excuses)
            if row["work_id"] not in mixed and score is not None:
                key = (kind.name, row["model_id"])
                rivals[key] = max(score, rivals.get(key, score))
    chances = kit.datasets["chances"].read(CHANCES.schema.names).sort_by("words").to_pylist()
    return JudgeTextsTools(
        config=config,
        chances=chances,
        known=frozenset(works["work_id"].to_pylist()),
        mixed=mixed,
        num_controls=len(controls - mixed),
        models=frozenset(pc.unique(matches["model_id"]).to_pylist()),
        excuses=excuses,
        rivals=rivals,
    )


def judge_texts(inputs: Mapping[str, pa.Table], tools: JudgeTextsTools) -> Out:
    """Return the findings of every prompt and model of this part.

    Args:
        inputs: `prompts` PROMPTS, `outputs` OUTPUTS, `matches` MATCHES of texts; all rows of the
            same prompts.
        tools: chances, works, what the controls reached, and the rule.

    Returns:
        FINDINGS by prompt, model, method and work: one row per named work (the prompt's own, and
        those with a long enough passage, also one that does not count), and one for the prompt
        where none is a finding.

    Source: chance of runs after `stages.text.chance`; near-verbatim blocks after Ahmed et al. 2026
    (2601.02671), with a lower mark, as controls stand against it.
    """
    prompts = grouped(inputs["prompts"], "prompt_id")
    outputs = grouped(inputs["outputs"], "prompt_id", "model_id")
    measured = inputs["matches"].filter(pc.is_valid(inputs["matches"]["run_words"]))
    matches = grouped(measured, "prompt_id", "model_id")
    made = {(prompt_id, model_id) for prompt_id, model_id in outputs}
    planned = [prompt_id for (prompt_id,) in prompts]
    rows = [
        row
        for key in asked(planned, made, tools.models)
        for kind in KINDS
        for row in _findings(_Asked(key, prompts[key[:1]], outputs[key], matches[key]), kind, tools)
    ]
    return Out(FINDINGS.of_rows(rows))


class _Asked(NamedTuple):
    """Everything known of one prompt of one model."""

    key: tuple[str, str]
    prompts: Sequence[Row]
    outputs: Sequence[Row]
    matches: Sequence[Row]


def _findings(case: _Asked, kind: Kind, tools: JudgeTextsTools) -> Iterator[dict[str, Any]]:
    prompt_id, model_id = case.key
    own, planned = plan(case.prompts)
    if own is None:
        own = plan(case.outputs)[0]
    crowd = Crowd.of(case.matches, kind, tools.excuses, tools.config.least(kind))
    trial = Trial(
        model_id=model_id,
        prompt_id=prompt_id,
        # whoever imports may name a work that is not here
        own=own if own and own[0] in tools.known and own[1] else None,
        planned=planned,
        examined={row["output_id"] for row in _confirmed(case)},
        pairs=[_pair(row, kind, tools, crowd) for row in case.matches],
        counted=not foreign(model_id) or _numbered(_confirmed(case)),
    )
    bench = Bench(
        method=kind.method,
        verdict=kind.verdict,
        larger=True,
        threshold=float(tools.config.least(kind)),
        control_best=tools.rivals.get((kind.name, model_id)),
        num_controls=tools.num_controls,
        mixed=tools.mixed,
        min_hits=tools.config.min_hits,
        made="attempt",
        holds="texts",
        back="gave it back",
    )
    note = _note(case, counted=trial.counted)

    def alone(row: Row) -> Reason:
        verdict = ("none", f"no work came back that is a finding{note}")
        return verdict if row["n"] else unexamined(bench)

    def remark(row: Row) -> str:
        said = _remark(row, case, kind, tools)
        return said + crowd.remark(row["work_id"], trial.own and trial.own[0]) + note

    yield from judged(trial, bench, alone, remark)


def _confirmed(case: _Asked) -> list[Row]:
    return [row for row in case.outputs if row["phase"] == CONFIRMATION]


def _pair(row: Row, kind: Kind, tools: JudgeTextsTools, crowd: Crowd) -> Pair:
    least, score = tools.config.least(kind), score_of(row, kind, tools.excuses)
    hit = score is not None and score >= least
    ids = (row["made_id"], row["phase"], row["work_id"], row["half"], row["neighbor_id"])
    shown = row[kind.measure] if score is None else score
    long = row[kind.measure] >= least and row["work_id"] not in crowd.others
    return Pair(*ids, score=shown, hit=hit, named=hit or long)


def _numbered(outputs: Sequence[Row]) -> bool:
    """Return whether attempts are numbered without a gap, from 0 or from 1; one alone is not."""
    numbers = sorted(row["sample"] for row in outputs)
    first = min(numbers, default=0)
    return len(numbers) > 1 and first <= 1 and numbers == [*range(first, first + len(numbers))]


def _note(case: _Asked, *, counted: bool) -> str:
    confirmed = _confirmed(case)
    failed = sum(row["failure"] is not None for row in confirmed)
    note = f"; {failed} of {len(confirmed)} attempts failed and count as misses" if failed else ""
    if foreign(case.key[1]) and counted:
        note += "; imported attempts, numbered without a gap: k of n as delivered"
    return note


def _remark(row: Row, case: _Asked, kind: Kind, tools: JudgeTextsTools) -> str:
    """Return what else is to be said of one work: what did not count, and the chance of the run."""
    mine = [match for match in case.matches if match["work_id"] == row["work_id"]]
    said = ""
    passed_over = [
        (match[kind.measure], tags)
        for match in mine
        if match["phase"] == CONFIRMATION
        and match[kind.measure] >= tools.config.least(kind)
        and (tags := tools.excuses.tags(match, kind))
    ]
    if passed_over:
        words, tags = max(passed_over)
        said = f"; {kind.passage} of {words} words is tagged {tags} and does not count"
    if row["verdict"] == kind.verdict:
        (best,) = (match for match in mine if match["made_id"] == row["best_made_id"])
        run = int(row["score"]) if kind.name == "verbatim" else best["run_words"]
        said += f"; {chance_of(run, tools.chances, best['output_words'])}"
    return said


_RIVALS = (
    "made_id",
    "model_id",
    "phase",
    "work_id",
    "half",
    "run_words",
    "near_block_words",
    "tags",
)
_SPANS = ("output_id", "work_id", "kind", "words", "echoed_words", "tags")

STAGE = MapStage(
    name="judge_texts",
    reads={
        "prompts": columns("prompt_id phase work_id half", PROMPTS),
        "outputs": columns(
            "output_id model_id prompt_id sample phase failure work_id half", OUTPUTS
        ),
        "matches": columns(
            "made_id model_id prompt_id phase work_id half neighbor_id output_words run_words"
            " near_block_words tags",
            MATCHES,
        ),
    },
    writes=FINDINGS,
    config=JudgeTextsConfig,
    open=open_judge_texts,
    run=judge_texts,
    uses={
        "chances": columns(" ".join(CHANCES.schema.names), CHANCES),
        "works": columns("work_id half mixed", TEXT_WORKS),
        "all_matches": columns(" ".join(_RIVALS), MATCHES),
        "spans": columns(" ".join(_SPANS), SPANS),
    },
    per=("prompt_id",),
    version=2,
)
