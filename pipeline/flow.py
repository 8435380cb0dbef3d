"""The whole data flow, top to bottom; open this file first.

A dataset is `place.noun`. A step reads only what an earlier line wrote; a role may name several
datasets of the same columns, which are read one after the other.
"""

from collections.abc import Mapping

from pipeline.rounds import IMAGES, MATCHES, later, turns
from pipeline.steps import Step
from stages.contract import Table
from stages.images import (
    adopt,
    cliques,
    compare,
    duplicates,
    embed,
    index_images,
    index_pixels,
    ingest,
    losses,
    plant,
    plant_regions,
    probe_regions,
    probes,
    prompts,
    sample,
    score,
    search,
    triage,
)
from stages.tables import FILES
from stages.text import (
    align,
    chance,
    count,
    gather,
    index_texts,
    measure,
    openings,
    overlap,
    probe_texts,
    read_outputs,
    twins,
    works,
    write,
)
from stages.verdicts import (
    assess,
    assess_texts,
    attribute,
    balancing,
    blind,
    blind_texts,
    calibrate,
    confirm,
    credit_texts,
    flag,
    flag_regions,
    judge_texts,
    lean,
    limits,
    recognise,
    recognise_regions,
    units,
)

SOURCES: Mapping[str, Table] = {
    "train.files": FILES,
    "control.files": FILES,
    "suspect.files": FILES,
    "train_texts.files": FILES,
    "control_texts.files": FILES,
    "outputs.files": FILES,
}

PASSAGES = {
    "texts": ("train.texts", "control.texts"),
    "works": ("input.text_works",),
    "frequencies": ("input.frequencies",),
}

FLOW = (
    # what the model may have learnt from, and works that it cannot have seen
    Step(run=ingest.STAGE, reads={"files": ("train.files",)}, writes="train.images", knobs="train"),
    Step(
        run=ingest.STAGE,
        reads={"files": ("control.files",)},
        writes="control.images",
        knobs="control",
    ),
    Step(run=embed.STAGE, reads={"images": ("train.images",)}, writes="train.embeddings"),
    Step(run=embed.STAGE, reads={"images": ("control.images",)}, writes="control.embeddings"),
    Step(
        run=duplicates.STAGE,
        reads={
            "train": ("train.images",),
            "control": ("control.images",),
            "train_vectors": ("train.embeddings",),
            "control_vectors": ("control.embeddings",),
        },
        writes="input.works",
    ),
    Step(
        run=index_images.STAGE,
        reads={"vectors": ("train.embeddings", "control.embeddings"), "works": ("input.works",)},
        writes="input.index",
    ),
    Step(
        run=index_pixels.STAGE,
        reads={"images": ("train.images", "control.images"), "works": ("input.works",)},
        writes="input.pixels",
    ),
    # what the model makes of their captions, and what somebody else made
    Step(
        run=prompts.STAGE,
        reads={
            "works": ("input.works",),
            "images": ("train.images", "control.images"),
        },
        writes="made.prompts",
    ),
    Step(
        run=units.STAGE,
        reads={"works": ("input.works",), "prompts": ("made.prompts",)},
        writes="made.units",
    ),
    Step(
        run=balancing.STAGE,
        reads={"units": ("made.units",), "prompts": ("made.prompts",)},
        uses={"images": ("train.images", "control.images")},
        writes="made.balance",
        given="balance",
    ),
    Step(
        run=blind.STAGE,
        reads={
            "units": ("made.units",),
            "prompts": ("made.prompts",),
            "balance": ("made.balance",),
        },
        uses={"images": ("train.images", "control.images")},
        writes="made.blind",
    ),
    # what the model itself shows of them: where to spend samples, and never a verdict
    Step(
        run=triage.STAGE, reads={"prompts": ("made.prompts",)}, writes="made.signals", each="triage"
    ),
    Step(
        run=losses.STAGE,
        reads={"prompts": ("made.prompts",)},
        uses={"images": ("train.images", "control.images")},
        writes="made.losses",
        each="losses",
    ),
    turns(1),
    Step(
        run=sample.STAGE, reads={"prompts": ("made.turns",)}, writes="made.sampled", each="models"
    ),
    Step(
        run=ingest.STAGE,
        reads={"files": ("suspect.files",)},
        writes="suspect.images",
        knobs="suspect",
    ),
    Step(run=adopt.STAGE, reads={"images": ("suspect.images",)}, writes="made.adopted"),
    Step(
        run=embed.STAGE,
        reads={"images": ("made.sampled", "made.adopted")},
        writes="made.embeddings",
    ),
    # where the two meet
    Step(
        run=search.STAGE,
        reads={"images": ("made.sampled", "made.adopted"), "vectors": ("made.embeddings",)},
        uses={"index": ("input.index",)},
        writes="made.neighbors",
    ),
    Step(
        run=compare.STAGE,
        reads={
            "images": ("made.sampled", "made.adopted"),
            "neighbors": ("made.neighbors",),
            "prompts": ("made.prompts",),
        },
        uses={"pixels": ("input.pixels",)},
        only_with="images",
        writes="made.matches",
    ),
    # the sequential design looks again where something came back
    *later(2),
    *later(3),
    Step(run=cliques.STAGE, reads={"images": IMAGES}, writes="made.cliques"),
    Step(
        run=score.STAGE,
        reads={
            "images": IMAGES,
            "matches": MATCHES,
            "prompts": ("made.prompts",),
        },
        uses={"pixels": ("input.pixels",), "originals": ("train.images", "control.images")},
        writes="made.scores",
        given="score",
    ),
    Step(
        run=calibrate.STAGE,
        reads={
            "matches": MATCHES,
            "works": ("input.works",),
            "prompts": ("made.prompts",),
        },
        writes="made.thresholds",
    ),
    Step(
        run=flag.STAGE,
        reads={
            "prompts": ("made.prompts",),
            "images": IMAGES,
            "cliques": ("made.cliques",),
            "matches": MATCHES,
        },
        uses={"thresholds": ("made.thresholds",), "works": ("input.works",)},
        writes="made.candidates",
    ),
    Step(
        run=flag_regions.STAGE,
        reads={
            "prompts": ("made.prompts",),
            "matches": MATCHES,
            "scores": ("made.scores",),
        },
        uses={"controls": ("made.scores",), "works": ("input.works",)},
        writes="made.region_candidates",
        given="score",
    ),
    # how they stand against the controls
    Step(
        run=assess.STAGE,
        reads={
            "units": ("made.units",),
            "made": IMAGES,
            "matches": MATCHES,
            "scores": ("made.scores",),
            "balance": ("made.balance",),
        },
        writes="made.assessments",
    ),
    Step(
        run=confirm.STAGE,
        reads={
            "candidates": ("made.candidates", "made.region_candidates"),
            "units": ("made.units",),
            "assessments": ("made.assessments",),
            "blind": ("made.blind",),
        },
        writes="made.findings",
        knobs="assess",
    ),
    Step(
        run=lean.STAGE,
        reads={
            "matches": MATCHES,
            "works": ("input.works",),
            "prompts": ("made.prompts",),
        },
        writes="made.leanings",
        knobs="assess",
    ),
    Step(
        run=attribute.STAGE,
        reads={
            "findings": ("made.findings",),
            "works": ("input.works",),
            "images": ("train.images", "control.images"),
        },
        writes="made.artists",
        knobs="assess",
    ),
    # what could have been seen: copies of known works go the same way
    Step(
        run=probes.STAGE,
        reads={"works": ("input.works",)},
        writes="probe.prompts",
        given="models",
    ),
    Step(
        run=plant.STAGE,
        reads={"prompts": ("probe.prompts",)},
        uses={"images": ("train.images", "control.images")},
        writes="probe.images",
        each="plant",
    ),
    Step(run=embed.STAGE, reads={"images": ("probe.images",)}, writes="probe.embeddings"),
    Step(
        run=search.STAGE,
        reads={"images": ("probe.images",), "vectors": ("probe.embeddings",)},
        uses={"index": ("input.index",)},
        writes="probe.neighbors",
    ),
    Step(
        run=compare.STAGE,
        reads={
            "images": ("probe.images",),
            "neighbors": ("probe.neighbors",),
            "prompts": ("probe.prompts",),
        },
        uses={"pixels": ("input.pixels",)},
        writes="probe.matches",
    ),
    Step(
        run=recognise.STAGE,
        reads={
            "prompts": ("probe.prompts",),
            "images": ("probe.images",),
            "matches": ("probe.matches",),
            "thresholds": ("made.thresholds",),
            "units": ("made.units",),
        },
        writes="probe.copies",
        knobs="probes",
        given="models",
    ),
    # and parts of them, where a case asks for the verdicts on parts
    Step(
        run=probe_regions.STAGE,
        reads={"works": ("input.works",)},
        writes="probe.region_prompts",
        given="probe_regions",
    ),
    Step(
        run=plant_regions.STAGE,
        reads={"prompts": ("probe.region_prompts",)},
        uses={
            "images": ("train.images", "control.images"),
            "made": ("made.sampled",),
            "prompts": ("made.prompts",),
        },
        writes="probe.region_images",
        each="plant_regions",
    ),
    Step(
        run=embed.STAGE,
        reads={"images": ("probe.region_images",)},
        writes="probe.region_embeddings",
    ),
    Step(
        run=search.STAGE,
        reads={"images": ("probe.region_images",), "vectors": ("probe.region_embeddings",)},
        uses={"index": ("input.index",)},
        writes="probe.region_neighbors",
    ),
    Step(
        run=compare.STAGE,
        reads={
            "images": ("probe.region_images",),
            "neighbors": ("probe.region_neighbors",),
            "prompts": ("probe.region_prompts",),
        },
        uses={"pixels": ("input.pixels",)},
        writes="probe.region_matches",
    ),
    Step(
        run=score.STAGE,
        reads={
            "images": ("probe.region_images",),
            "matches": ("probe.region_matches",),
            "prompts": ("probe.region_prompts",),
        },
        uses={"pixels": ("input.pixels",), "originals": ("train.images", "control.images")},
        writes="probe.region_scores",
        knobs="probe_score",
        given="probe_score",
    ),
    Step(
        run=flag_regions.STAGE,
        reads={
            "prompts": ("probe.region_prompts",),
            "matches": ("probe.region_matches",),
            "scores": ("probe.region_scores",),
        },
        uses={"controls": ("made.scores",), "works": ("input.works",)},
        writes="probe.region_candidates",
        given="probe_score",
    ),
    Step(
        run=recognise_regions.STAGE,
        reads={
            "prompts": ("probe.region_prompts",),
            "images": ("probe.region_images",),
            "matches": ("probe.region_matches",),
            "candidates": ("probe.region_candidates",),
            "units": ("made.units",),
        },
        writes="probe.region_copies",
        knobs="probe_regions",
        given="probe_regions",
    ),
    Step(
        run=limits.STAGE,
        reads={
            "copies": ("probe.copies", "probe.region_copies"),
            "assessments": ("made.assessments",),
            "blind": ("made.blind",),
        },
        writes="made.limits",
        given="models",
    ),
    # the same for texts: works, and what a language model writes when it is given their beginnings
    Step(
        run=works.STAGE,
        reads={"files": ("train_texts.files",)},
        writes="train.texts",
        knobs="train_texts",
    ),
    Step(
        run=works.STAGE,
        reads={"files": ("control_texts.files",)},
        writes="control.texts",
        knobs="control_texts",
    ),
    Step(
        run=twins.STAGE,
        reads={"train": ("train.texts",), "control": ("control.texts",)},
        writes="input.text_works",
    ),
    Step(
        run=index_texts.STAGE,
        reads={
            "train": ("train.texts",),
            "control": ("control.texts",),
            "works": ("input.text_works",),
        },
        writes="input.text_index",
        knobs="text_index",
        given="text_index",
    ),
    Step(run=count.STAGE, reads={"texts": ("control.texts",)}, writes="input.frequencies"),
    Step(
        run=openings.STAGE,
        reads={
            "works": ("input.text_works",),
            "lengths": ("train.texts", "control.texts"),
            "texts": ("train.texts", "control.texts"),
        },
        writes="made.openings",
        given="writers",
    ),
    Step(
        run=units.STAGE,
        reads={"works": ("input.text_works",), "prompts": ("made.openings",)},
        writes="made.text_units",
    ),
    Step(
        run=balancing.TEXTS_STAGE,
        reads={"units": ("made.text_units",), "prompts": ("made.openings",)},
        uses={"texts": ("train.texts", "control.texts")},
        writes="made.text_balance",
        knobs="balance",
        given="balance",
    ),
    Step(
        run=blind_texts.STAGE,
        reads={
            "units": ("made.text_units",),
            "prompts": ("made.openings",),
            "balance": ("made.text_balance",),
        },
        uses={"texts": ("train.texts", "control.texts")},
        writes="made.text_blind",
        knobs="blind",
    ),
    Step(
        run=write.STAGE,
        reads={"prompts": ("made.openings",)},
        writes="made.written",
        each="writers",
    ),
    Step(
        run=read_outputs.STAGE,
        reads={"files": ("outputs.files",)},
        writes="made.imported",
        knobs="outputs",
    ),
    Step(
        run=gather.STAGE,
        reads={"outputs": ("made.written", "made.imported")},
        writes="made.outputs",
    ),
    # where outputs and works meet
    Step(
        run=overlap.STAGE,
        reads={"texts": ("train.texts", "control.texts")},
        uses={"outputs": ("made.outputs",)},
        across="outputs",
        writes="made.runs",
    ),
    Step(
        run=align.STAGE,
        reads={"outputs": ("made.outputs",), "runs": ("made.runs",)},
        uses=PASSAGES,
        writes="made.spans",
        knobs="passages",
    ),
    Step(
        run=measure.STAGE,
        reads={"outputs": ("made.outputs",), "runs": ("made.runs",)},
        uses=PASSAGES,
        writes="made.text_matches",
        knobs="passages",
    ),
    Step(
        run=chance.STAGE,
        reads={
            "works": ("input.text_works",),
            "control": ("control.texts",),
            "train": ("train.texts",),
        },
        writes="input.chances",
    ),
    Step(
        run=judge_texts.STAGE,
        reads={
            "prompts": ("made.openings",),
            "outputs": ("made.outputs",),
            "matches": ("made.text_matches",),
        },
        uses={
            "chances": ("input.chances",),
            "works": ("input.text_works",),
            "all_matches": ("made.text_matches",),
            "spans": ("made.spans",),
        },
        writes="made.text_candidates",
    ),
    Step(
        run=assess_texts.STAGE,
        reads={
            "units": ("made.text_units",),
            "made": ("made.outputs",),
            "matches": ("made.text_matches",),
            "spans": ("made.spans",),
            "balance": ("made.text_balance",),
        },
        writes="made.text_assessments",
        knobs="assess",
    ),
    Step(
        run=confirm.STAGE,
        reads={
            "candidates": ("made.text_candidates",),
            "units": ("made.text_units",),
            "assessments": ("made.text_assessments",),
            "blind": ("made.text_blind",),
        },
        writes="made.text_findings",
        knobs="assess",
    ),
    Step(
        run=lean.STAGE,
        reads={
            "matches": ("made.text_matches",),
            "works": ("input.text_works",),
            "prompts": ("made.openings",),
        },
        writes="made.text_leanings",
        knobs="assess",
    ),
    Step(
        run=credit_texts.STAGE,
        reads={
            "findings": ("made.text_findings",),
            "works": ("input.text_works",),
            "texts": ("train.texts", "control.texts"),
        },
        writes="made.authors",
        knobs="assess",
    ),
    Step(
        run=probe_texts.STAGE,
        reads={"works": ("input.text_works",), "outputs": ("made.written",)},
        uses={"texts": ("train.texts", "control.texts")},
        writes="probe.text_copies",
        given="writers",
    ),
    Step(
        run=limits.STAGE,
        reads={
            "copies": ("probe.text_copies",),
            "assessments": ("made.text_assessments",),
            "blind": ("made.text_blind",),
        },
        writes="made.text_limits",
        knobs="text_limits",
        given="writers",
    ),
)
