"""What was made of works: prompts that are their captions or were cut from them, and generations.

A generation goes if it was made of such a prompt, for such a work or by the name, and also if it
gave a work back by the run's own marks: then it holds the work, whatever it was made of.
"""

from collections.abc import Iterator

from pipeline import rounds
from pipeline.case import Case
from pipeline.erase_quotes import Quotes
from pipeline.erase_traces import MADE, Traces, rows
from pipeline.store import Store
from pipeline.tombstones import digest_of
from stages.prompt_ids import prompt_id_of

_LIKE_CARLINI = 1.0


def add_made(store: Store, case: Case, traces: Traces) -> None:
    """Add what was made of works whose occurrences are known.

    Args:
        store: the run folder.
        case: says from when on a generation gave a text back.
        traces: of the works; prompts and generations are added.
    """
    _ask(store, traces, _captions(store, traces))
    hits, brought = set(_hits(store, case, traces)), set(_brought(store, traces))
    for row in rows(store, MADE, ("image_id", "output_id", "prompt_id", "sha256")):
        made_id = row.get("image_id") or row["output_id"]
        own = row["prompt_id"] in traces.prompts or made_id in brought
        holds = made_id in hits or row.get("sha256") in traces.sha256
        if own or holds:
            traces.made.add(made_id)
        if holds:
            traces.holding.add(made_id)
    _add_digests(store, traces)


def _captions(store: Store, traces: Traces) -> set[str]:
    """Return the captions that images of these works have and no other image has."""
    pictures = ("train.images", "control.images")
    own = rows(store, pictures, ("image_id", "caption"), {"image_id": traces.ids})
    captions = {row["caption"] for row in own if row["caption"]}
    for row in rows(store, pictures, ("image_id", "caption"), {"caption": captions}):
        if row["image_id"] not in traces.ids:
            captions.discard(row["caption"])
    return captions


def _ask(store: Store, traces: Traces, captions: set[str]) -> None:
    """Add the prompts that are of these works, or bear the name."""
    traces.prompts |= {prompt_id_of(text=caption) for caption in captions}
    for row in rows(store, ("made.prompts",), ("prompt_id", "text")):
        if traces.names_in(row["text"]):
            traces.prompts.add(row["prompt_id"])
    works = traces.works | traces.ids
    for row in rows(store, ("made.openings",), ("prompt_id",), {"work_id": works}):
        traces.prompts.add(row["prompt_id"])
    keep = {"prompt_id": traces.prompts}
    both = rows(store, ("made.prompts", "made.openings"), ("prompt_id",), keep)
    traces.asked = {row["prompt_id"] for row in both}


def _brought(store: Store, traces: Traces) -> Iterator[str]:
    """Yield what was made elsewhere for the name, for one of the works, or with its words."""
    for row in rows(store, ("suspect.images",), ("image_id", "caption")):
        if traces.names_in(row["caption"]):
            yield row["image_id"]
    texts = rows(store, ("train.texts", "control.texts"), ("text",), {"text_id": traces.ids})
    quotes = Quotes([row["text"] for row in texts])
    for row in rows(store, ("made.imported",), ("output_id", "prompt", "context", "work_id")):
        asked = (row["prompt"], row["context"])
        if row["work_id"] in traces.works or any(
            traces.names_in(text) or quotes.are_in(text) for text in asked
        ):
            yield row["output_id"]


def _hits(store: Store, case: Case, traces: Traces) -> Iterator[str]:
    """Yield the generations that gave one of the works back."""
    marks = rows(store, ("made.thresholds",), ("threshold",))
    mark = max([_LIKE_CARLINI, *(row["threshold"] for row in marks)])
    judge = case.judge_texts
    names = ("made_id", "work_id", "neighbor_id", "adaptive_ratio", "run_words", "near_block_words")
    works = traces.works | traces.ids
    keep = {"work_id": works, "neighbor_id": traces.ids}
    for row in rows(store, (*rounds.MATCHES, "made.text_matches"), names, keep):
        ratio, run, block = row["adaptive_ratio"], row["run_words"], row["near_block_words"]
        if (
            (ratio is not None and ratio < mark)
            or (run or 0) >= judge.min_words
            or (block or 0) >= judge.min_near_words
        ):
            yield row["made_id"]
    for row in rows(store, ("made.scores",), ("made_id", "work_id", "hit"), {"work_id": works}):
        if row["hit"] and row["made_id"]:
            yield row["made_id"]


def _add_digests(store: Store, traces: Traces) -> None:
    """Add the digests of what holds a work, so that it is known wherever it turns up again.

    What was made of its prompts and does not hold it may be what others get too: a refusal.
    """
    keep = {"image_id": traces.holding, "output_id": traces.holding}
    for row in rows(store, MADE, ("sha256", "text"), keep):
        digest = row["sha256"] if "sha256" in row else digest_of(row["text"])
        traces.sha256 |= set() if digest is None else {digest}
