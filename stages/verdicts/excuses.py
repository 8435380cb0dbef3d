"""Excuses: the kinds of passages that can be findings, and which say little of their work."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc

LITTLE = ("boilerplate", "common", "quoted")
"""Tags of a passage that may come from elsewhere. `echoed` words are left out of the measures, and
of a `twin` the work is known all the same."""

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


def _little(tags: str | None) -> str:
    return ", ".join(tag for tag in LITTLE if tag in (tags or "").split(","))
