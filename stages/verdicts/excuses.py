"""Excuses: the kinds of passages that can be findings, and which say little of their work.

A notice that stands in a hundred works would make a hundred rows that all say the same. So of the
works in which an output has nothing but such passages only the closest has a row; it counts the
others.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

LITTLE = ("boilerplate", "common", "quoted")
"""Tags of a passage that may come from elsewhere. `echoed` words are left out of the measures, and
of a `twin` the work is known all the same."""

SHARED = frozenset({"boilerplate", "common"})
"""Of these, the ones that say that several works hold the passage."""

_JUDGED = "confirmation"

Row = Mapping[str, Any]
Key = tuple[str, str, str]


class Kind(NamedTuple):
    """One kind of passage."""

    name: str
    """As SPANS has it."""
    method: str
    verdict: str
    measure: str
    """Column of MATCHES with the words of the largest one."""
    passage: str


KINDS = (
    Kind("verbatim", "verbatim_words", "verbatim_text", "run_words", "a run"),
    Kind("near", "near_words", "near_text", "near_block_words", "a block"),
)


class Excuses(NamedTuple):
    """Long passages that say little, and what stands beside them."""

    tagged: Mapping[Key, str]
    """(kind, output, work) -> tags of its largest long passage that says little."""

    clean: Mapping[Key, int]
    """(kind, output, work) -> words of the largest long passage with nothing against it."""

    @classmethod
    def of(cls, spans: pa.Table, least: Mapping[str, int]) -> Self:
        """Return what the spans say.

        Args:
            spans: SPANS with output_id, work_id, kind, words, echoed_words and tags.
            least: words from which on a passage of a kind is long; others are not kept.
        """
        spans = spans.filter(pc.greater_equal(spans["words"], min(least.values())))
        tagged: dict[Key, str] = {}
        clean: dict[Key, int] = {}
        for row in spans.sort_by([("words", "descending"), ("tags", "ascending")]).to_pylist():
            key = (row["kind"], row["output_id"], row["work_id"])
            if row["words"] < least[row["kind"]]:
                continue
            if tags := _little(row["tags"]):
                tagged.setdefault(key, tags)
            elif not row["echoed_words"]:
                # of one that is partly echoed it is not known how long the rest is
                clean.setdefault(key, row["words"])
        return cls(tagged, clean)

    def tags(self, match: Row, kind: Kind) -> str:
        """Return why a passage of a MATCHES row says little; empty if nothing speaks against it."""
        key = (kind.name, match["made_id"], match["work_id"])
        return self.tagged.get(key) or _little(match["tags"])


def score_of(match: Row, kind: Kind, excuses: Excuses) -> int | None:
    """Return the words of the largest passage that counts; None if there is only such as do not."""
    if not excuses.tags(match, kind):
        return int(match[kind.measure])
    return excuses.clean.get((kind.name, match["made_id"], match["work_id"]))


class Crowd(NamedTuple):
    """Works of which an output has nothing that counts, only passages that several works hold."""

    closest: str | None
    """The one with the longest of them; None if there is no such work."""

    others: frozenset[str]
    """The rest."""

    @classmethod
    def of(cls, matches: Sequence[Row], kind: Kind, excuses: Excuses, least: int) -> Self:
        """Return the works of one prompt and model that stand in a crowd.

        Args:
            matches: MATCHES rows of that prompt and model.
            kind: the kind of passages.
            excuses: why some of them say little.
            least: words from which on a passage is long.

        Returns:
            The closest has the longest passage of an attempt that is judged; of equals it is a
            training work, then the smallest id.
        """
        long: dict[str, list[Row]] = defaultdict(list)
        for match in matches:
            if match[kind.measure] >= least:
                long[match["work_id"]].append(match)
        crowd = [
            (max((m["phase"] == _JUDGED, m[kind.measure]) for m in rows), rows[0]["half"], work_id)
            for work_id, rows in long.items()
            if not any(_stands_out(match, kind, excuses, least) for match in rows)
        ]
        # the largest by words and half ("train" follows "control"), but the smallest id
        crowd.sort(key=lambda each: each[2])
        crowd.sort(key=lambda each: each[:2], reverse=True)
        works = [work_id for _, _, work_id in crowd]
        return cls(next(iter(works), None), frozenset(works[1:]))

    def remark(self, work_id: str, own: str | None) -> str:
        """Return what the row of a work says of works without a row; empty but for the closest.

        Args:
            work_id: the work of the row.
            own: the work that the prompt was cut from, which always has a row.
        """
        unnamed = len(self.others - {own})
        if not unnamed or work_id != self.closest:
            return ""
        works = "1 more work holds" if unnamed == 1 else f"{unnamed:,} more works hold"
        return f"; {works} only passages that several works hold, and no row names them"


def _stands_out(match: Row, kind: Kind, excuses: Excuses, least: int) -> bool:
    score = score_of(match, kind, excuses)
    if score is not None and score >= least:
        return True
    return SHARED.isdisjoint(excuses.tags(match, kind).split(", "))


def _little(tags: str | None) -> str:
    return ", ".join(tag for tag in LITTLE if tag in (tags or "").split(","))
