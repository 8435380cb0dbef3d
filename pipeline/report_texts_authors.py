"""Authors of a report: what came back of each, and of each of their works."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from stages.contract import Reader
from stages.statistics.intervals import clopper_pearson

Row = Mapping[str, Any]

MAX_AUTHORS = 100
MAX_WORKS = 200
_FOUND = ("verbatim_text", "near_text")
_RUNS = "verbatim_words"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLine:
    """One work that came back."""

    work_id: str
    """The work."""

    title: str | None
    """Title, None if none is stated."""

    author: str | None
    """Author, None if none is stated."""

    verdict: str
    """Strongest verdict."""

    words: int
    """Words in runs of 8 or more of the attempt that has most of them."""

    k: int
    """Judged attempts of the strongest finding that gave it back."""

    n: int
    """Judged attempts of that finding."""

    k_low: float | None
    """Lower 95 % limit of k/n; None where k of n is no rate."""

    k_high: float | None
    """Upper 95 % limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorLine:
    """One author, as the sources write the name."""

    author: str | None
    """Name, None where the sources state none."""

    works: int
    """Works in the training half."""

    examined: int
    """Of those, works that were looked for."""

    back: int
    """Of those, works that came back."""

    words: int
    """Words reproduced: of each work that came back, those of the attempt that has most."""

    k: int
    """Judged attempts that gave back the work that they are counted for."""

    n: int
    """Judged attempts at prompts cut from the works, else at the prompts that gave one back."""

    k_low: float | None
    """Lower 95 % limit of k/n; None where k of n is no rate."""

    k_high: float | None
    """Upper 95 % limit."""

    controls: int
    """Works in the control half."""

    units: int
    """Tested units of the author, by the longest run."""

    q: float | None
    """False discovery rate, over authors, of a list that holds this one; None if not tested."""


def count_authors(
    readers: Mapping[str, Reader], findings: Sequence[Row]
) -> tuple[dict[str, tuple[AuthorLine, ...]], dict[str, tuple[WorkLine, ...]]]:
    """Return the authors, and the works that came back, of each model.

    Args:
        readers: `authors`, `matches`.
        findings: FINDINGS rows of texts.
    """
    columns = ["model_id", "work_id", "half", "artist", "title", "verdict", "k", "n", "finding_id"]
    columns += ["artist_units", "artist_q"]
    credited: dict[str, list[Row]] = defaultdict(list)
    for row in readers["authors"].read(columns).to_pylist():
        credited[row["model_id"]].append(row)
    words = _words(readers["matches"])
    by_id = {row["finding_id"]: row for row in findings}
    named: dict[str, list[Row]] = defaultdict(list)
    for row in findings:
        if row["work_id"] is not None and row["half"] == "train":
            named[row["model_id"]].append(row)
    authors, works = {}, {}
    for model_id, rows in credited.items():
        back = [
            _work(row, by_id[row["finding_id"]], words.get((model_id, row["work_id"]), 0))
            for row in rows
            if row["verdict"] in _FOUND
        ]
        works[model_id] = tuple(sorted(back, key=lambda work: (-work.words, work.work_id)))
        runs = [row for row in rows if by_id.get(row["finding_id"], {}).get("method") == _RUNS]
        families = {row["artist"]: row for row in runs if row["artist_q"] is not None}
        authors[model_id] = tuple(_authors(rows, works[model_id], named[model_id], families))
    return authors, works


def _words(matches: Reader) -> dict[tuple[str, str], int]:
    rows = matches.read(["model_id", "work_id", "words_8"])
    most = rows.group_by(["model_id", "work_id"]).aggregate([("words_8", "max")])
    return {
        (row["model_id"], row["work_id"]): row["words_8_max"] or 0
        for row in most.filter(pc.is_valid(most["words_8_max"])).to_pylist()
    }


def _work(row: Row, finding: Row, words: int) -> WorkLine:
    same = {name: row[name] for name in ("work_id", "title", "verdict", "k", "n")}
    limits = {name: finding[name] for name in ("k_low", "k_high")}
    return WorkLine(**same, **limits, author=row["artist"], words=words)


def _authors(
    rows: Sequence[Row],
    back: Sequence[WorkLine],
    named: Sequence[Row],
    families: Mapping[str | None, Row],
) -> list[AuthorLine]:
    grouped: dict[str | None, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["artist"]].append(row)
    said: dict[str, list[Row]] = defaultdict(list)
    for row in named:
        said[row["work_id"]].append(row)
    lines = []
    for author, mine in grouped.items():
        train = [row for row in mine if row["half"] == "train"]
        came = [work for work in back if work.author == author]
        family = families.get(author, {"artist_units": 0, "artist_q": None})
        lines.append(
            AuthorLine(
                author=author,
                works=len(train),
                examined=sum(row["verdict"] != "not_examined" for row in train),
                back=len(came),
                words=sum(work.words for work in came),
                controls=len(mine) - len(train),
                units=family["artist_units"],
                q=family["artist_q"],
                **_tried([found for row in train for found in said[row["work_id"]]]),
            )
        )
    return sorted(lines, key=lambda a: (-a.back, -a.words, -a.works, a.author or ""))


def _tried(named: Sequence[Row]) -> dict[str, Any]:
    """Return k of n over the prompts that speak of some works, each prompt and work once."""
    own = [row for row in named if row["own_caption"]]
    best: dict[tuple[str, str], Row] = {}
    for row in own or [row for row in named if row["verdict"] in _FOUND]:
        key = (row["prompt_id"], row["work_id"])
        best[key] = max(best.get(key, row), row, key=_strength)
    k, n = (sum(row[name] for row in best.values()) for name in ("k", "n"))
    counted = best and all(row["k_low"] is not None for row in best.values())
    limits = clopper_pearson(k, n) if counted and n else (None, None)
    return {"k": k, "n": n, "k_low": limits[0], "k_high": limits[1]}


def _strength(row: Row) -> tuple[bool, bool]:
    return row["verdict"] in _FOUND, row["method"] == "verbatim_words"
