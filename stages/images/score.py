"""Score: the methods that a case asks for by name, on the pairs that `compare` names.

Every generation is scored on its own prompt's work, of a training work or a control work alike, so
that units of both halves have their scores from the same lines.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from stages.contract import Artefact, Kit, MapStage, Out, Rejected, StageError, columns
from stages.images.score_pairs import Shelf, between_rows, training_rows
from stages.images.score_partial import partial_rows
from stages.images.score_rows import Group, Row, Work
from stages.images.score_template import template_rows
from stages.images.scoring import DescriptorConfig, ScoreConfig
from stages.images.shown import Network, Originals
from stages.images.squares import Squares, open_squares
from stages.methods.pipelines import prepare
from stages.methods.table import METHODS
from stages.methods.template import TemplateRule
from stages.models.descriptor import open_alone
from stages.models.files import model_digest, resolve
from stages.pixels import MAX_PIXELS_EVER, DecodeError, decode
from stages.probing import wanted_by
from stages.tables import GENERATIONS, IMAGES, MATCHES, PROMPTS, SCORES


class ScoreTools(NamedTuple):
    """What methods are given, and by which rule."""

    config: ScoreConfig
    pixels: Squares
    shelf: Shelf
    rule: TemplateRule


def open_score(config: ScoreConfig, kit: Kit) -> ScoreTools:
    """Open the index and the descriptor, if methods need one.

    Raises:
        StageError: there are too few works for `template`.
    """
    index = open_squares(kit.folders["pixels"])
    if "template" in config.methods and len(index.works) <= config.num_others:
        raise StageError(
            f"score: template measures a work by {config.num_others} others, and there are"
            f" {len(index.works)} works in all; set `score.num_others` below that, or leave it out"
        )
    network = _network(config.descriptor, kit) if config.descriptor else None
    shelf = Shelf(Originals(kit.datasets["originals"]), network, index.side)
    rule = TemplateRule(num_others=config.num_others, device=kit.device)
    return ScoreTools(config, index, shelf, rule)


def _network(config: DescriptorConfig, kit: Kit) -> Network:
    describe = open_alone(resolve(config.model), kit)
    return Network(
        lambda rgb_HWC: describe(prepare(rgb_HWC, config.pipeline)),
        model_digest(config.model),
        config.pipeline,
    )


def score(inputs: Mapping[str, pa.Table], tools: ScoreTools) -> Out:
    """Return the scores of what was made, method by method.

    Args:
        inputs: `images` GENERATIONS, `matches` MATCHES and `prompts` PROMPTS of whole prompts.
        tools: what methods are given. What was planted for one method is given to that one alone.

    Returns:
        SCORES by model, prompt and phase, methods in the order of the case. Rejected are
        generations that do not decode.
    """
    rejected: list[Rejected] = []
    wanted = {row["prompt_id"]: wanted_by(row["origin"]) for row in inputs["prompts"].to_pylist()}
    rows = [
        row
        for group in _groups(inputs, rejected)
        for name in tools.config.methods
        if wanted.get(group.prompt_id, "") in {"", name}
        for row in _scored(name, group, tools)
    ]
    return Out(SCORES.of_rows(rows), rejected)


def _scored(name: str, group: Group, tools: ScoreTools) -> Iterator[dict[str, Any]]:
    if name == "template":
        return template_rows(group, tools.pixels, tools.rule)
    if name == "partial":
        return partial_rows(group, tools.shelf.originals, tools.config.per_half)
    rows = between_rows if METHODS[name].compares == "between" else training_rows
    return rows(name, group, tools.shelf)


def _groups(inputs: Mapping[str, pa.Table], rejected: list[Rejected]) -> Iterator[Group]:
    matches: dict[str, list[Row]] = {}
    for row in inputs["matches"].to_pylist():
        matches.setdefault(row["made_id"], []).append(row)
    own = {
        row["prompt_id"]: Work(row["work_id"], row["half"], None)
        for row in inputs["prompts"].to_pylist()
    }
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in inputs["images"].to_pylist():
        key = (row["model_id"], row["prompt_id"], row["phase"])
        groups.setdefault(key, []).append(row)
    for key, made in sorted(groups.items()):
        rows = sorted(made, key=lambda row: (row["sample"], row["image_id"]))
        yield Group(
            *key,
            own=own.get(key[1], Work(None, None, None)),
            made=dict(_decoded(rows, rejected)),
            samples={row["image_id"]: row["sample"] for row in rows},
            matches=matches,
        )


def _decoded(rows: Sequence[Row], rejected: list[Rejected]) -> Iterator[tuple[str, Any]]:
    for row in rows:
        try:
            yield row["image_id"], decode(row["bytes"], max_pixels=MAX_PIXELS_EVER).rgb_HWC
        except DecodeError as error:
            rejected.append(Rejected(row["image_id"], error.code, str(error)))


STAGE = MapStage(
    name="score",
    reads={
        "images": columns("image_id model_id prompt_id sample phase bytes", GENERATIONS),
        "matches": columns("made_id work_id half neighbor_id similarity l2", MATCHES),
        "prompts": columns("prompt_id work_id half origin", PROMPTS),
    },
    writes=SCORES,
    config=ScoreConfig,
    open=open_score,
    run=score,
    uses={
        "pixels": Artefact("pixels"),
        "originals": columns("image_id bytes pdq pdq_quality", IMAGES),
    },
    per=("prompt_id",),
)
