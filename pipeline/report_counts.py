"""Counts of a report: what the tables say of each model, as plain numbers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.report_scores import Bar, count_scores
from stages.contract import Reader
from stages.statistics.limits import detection_limit
from stages.verdicts.trials import foreign

Row = Mapping[str, Any]

COPY_CLASSES = ((1, 1), (2, 3), (4, 15), (16, 63), (64, None))
MAX_ARTISTS = 200
BACK = ("verbatim", "template", "partial")
"""Verdicts that say an image, its layout or a region of it came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyClass:
    """Training works by how many images of them the set holds."""

    least: int
    """Fewest images of a work in this class."""

    most: int | None
    """Most images, None for no limit."""

    works: int
    """Training works in this class."""

    examined: int
    """Of those, works that were looked for."""

    back: int
    """Of those, works that came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtistLine:
    """One artist, as the sources write the name."""

    artist: str | None
    """Name, None where the sources state none."""

    works: int
    """Works in the training half."""

    examined: int
    """Of those, works that were looked for."""

    back: int
    """Of those, works that came back."""

    controls: int
    """Works in the control half."""

    units: int
    """Tested units of the artist."""

    q: float | None
    """False discovery rate, over artists, of a list that holds this one; None if not tested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCounts:
    """What one model gave back."""

    model_id: str
    """Digest of the model, or `imported`."""

    captions: int
    """Captions that were judged and are not those of control works."""

    captions_back: int
    """Of those, captions that gave a training work back."""

    works_back: int
    """Training works that came back, from whatever caption."""

    control_captions: int
    """Captions of control works that were judged."""

    control_captions_back: int
    """Of those, captions that gave a training work back."""

    low_diversity: int
    """Captions whose generations agree with each other but with no work."""

    not_examined: int
    """Captions of which no generation was judged."""

    n_low: int
    """Fewest judged generations of a caption; 0 if none was judged."""

    n_high: int
    """Most judged generations of a caption."""

    detection_limit: float | None
    """Smallest rate seen with probability 0.95 at `n_low` seeds; None where there is no rate."""

    threshold: Row | None
    """THRESHOLDS row, None if nothing was compared."""

    bars: tuple[Bar, ...]
    """Histogram of the closest match of every judged generation; the last bar holds the rest."""

    copies: tuple[CopyClass, ...]
    """Works by number of images."""

    artists: tuple[ArtistLine, ...]
    """Most returned works first, then most works; at most `MAX_ARTISTS`."""

    num_artists: int
    """Artists in all."""

    works: int
    """Training works in all."""

    works_examined: int
    """Training works that were looked for."""


def count_models(
    readers: Mapping[str, Reader], halves: Mapping[str, str | None], min_hits: int
) -> tuple[ModelCounts, ...]:
    """Return the counts of every model in FINDINGS, by model_id.

    Args:
        readers: `findings`, `artists`, `thresholds`, `matches`.
        halves: half of the work whose caption a prompt is, by prompt_id.
        min_hits: hits that the rule asks for.
    """
    names = ("model_id", "prompt_id", "work_id", "verdict", "n")
    findings = by_model(readers["findings"].read(names).to_pylist())
    credited = ("model_id", "half", "artist", "num_images", "verdict", "artist_units", "artist_q")
    works = readers["artists"].read(credited)
    marks = {row["model_id"]: row for row in whole(readers["thresholds"])}
    bars = count_scores(readers["matches"])
    out = []
    for model_id, rows in sorted(findings.items()):
        mine = works.filter(pc.equal(works["model_id"], model_id)).drop_columns("model_id")
        train = mine.filter(pc.equal(mine["half"], "train"))
        artists = _artists(mine, tested=not foreign(model_id))
        unseen = pc.sum(pc.equal(train["verdict"], "not_examined")).as_py() or 0
        out.append(
            ModelCounts(
                model_id=model_id,
                **_captions(rows, halves, min_hits if model_id != "imported" else 0),
                threshold=marks.get(model_id),
                bars=bars.get(model_id, ()),
                copies=_copies(train),
                artists=tuple(artists[:MAX_ARTISTS]),
                num_artists=len(artists),
                works=train.num_rows,
                works_examined=train.num_rows - unseen,
            )
        )
    return tuple(out)


def whole(reader: Reader) -> list[dict[str, Any]]:
    """Return every THRESHOLDS row."""
    names = ("model_id", "method", "threshold", "control_best")
    more = ("num_controls", "num_control_prompts", "num_generations")
    rows: list[dict[str, Any]] = reader.read([*names, *more]).to_pylist()
    return rows


def by_model(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    """Return the rows of each model, in order."""
    out: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        out[row["model_id"]].append(row)
    return out


def _captions(rows: Sequence[Row], halves: Mapping[str, Any], min_hits: int) -> dict[str, Any]:
    judged = {row["prompt_id"]: row["n"] for row in rows if row["n"]}
    found = [row for row in rows if row["verdict"] in BACK]
    back = {row["prompt_id"] for row in found}
    controls = {prompt for prompt in judged if halves.get(prompt) == "control"}
    agree = {row["prompt_id"] for row in rows if row["verdict"] == "low_diversity"}
    n_low = min(judged.values(), default=0)
    has_limit = min_hits and n_low >= min_hits
    return {
        "captions": len(judged) - len(controls),
        "captions_back": len(back - controls),
        "works_back": len({row["work_id"] for row in found}),
        "control_captions": len(controls),
        "control_captions_back": len(back & controls),
        "low_diversity": len(agree),
        "not_examined": len({row["prompt_id"] for row in rows} - judged.keys()),
        "n_low": n_low,
        "n_high": max(judged.values(), default=0),
        "detection_limit": detection_limit(min_hits, n_low) if has_limit else None,
    }


def _copies(train: pa.Table) -> tuple[CopyClass, ...]:
    images = train["num_images"].to_numpy()
    seen = pc.not_equal(train["verdict"], "not_examined").to_numpy()
    back = pc.is_in(train["verdict"], pa.array(BACK, pa.large_string())).to_numpy()
    out = []
    for least, most in COPY_CLASSES:
        here = (images >= least) & (images <= (most or np.inf))
        works, examined, came = (int(np.sum(here & kind)) for kind in (here, seen, back))
        out.append(CopyClass(least=least, most=most, works=works, examined=examined, back=came))
    return tuple(out)


def _artists(works: pa.Table, *, tested: bool) -> list[ArtistLine]:
    families = [("artist_units", "max"), ("artist_q", "max")]
    grouped = works.group_by(["artist", "half", "verdict"]).aggregate(
        [([], "count_all"), *families]
    )
    lines: dict[str | None, dict[str, Any]] = {}
    for row in grouped.to_pylist():
        line = lines.setdefault(row["artist"], {**_NOTHING})
        number = row["count_all"]
        if tested and row["artist_q_max"] is not None:
            line |= {"units": row["artist_units_max"], "q": row["artist_q_max"]}
        if row["half"] == "control":
            line["controls"] += number
            continue
        line["works"] += number
        line["examined"] += number * (row["verdict"] != "not_examined")
        line["back"] += number * (row["verdict"] in BACK)
    found = [ArtistLine(artist=name, **line) for name, line in lines.items()]
    return sorted(found, key=lambda line: (-line.back, -line.works, line.artist or ""))


_NOTHING = {"works": 0, "examined": 0, "back": 0, "controls": 0, "units": 0, "q": None}
