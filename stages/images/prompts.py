"""Prompts: what the models are asked, and with which seeds.

A caption asked for several reasons is one prompt and bears the first reason, in the order of the
config. Every prompt has its discovery seeds first and its confirmation seeds after them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from string import Formatter
from typing import Any, NamedTuple

import pyarrow as pa

from stages.contract import FileText, FoldStage, Kit, Out, Rejected, columns
from stages.images.caption_file import read_caption_file
from stages.images.captions import Captions, drawn, duplicated, owner_of, read_captions
from stages.prompt_ids import prompt_id_of
from stages.seeds import seed_of
from stages.tables import IMAGES, PROMPTS, WORKS

_TEMPLATE_FIELDS = {"artist", "title"}
_BATCH_ROWS = 1 << 16
_MAX_CLASS = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptsConfig:
    """Knobs of the prompts stage."""

    run_seed: int = 1
    """Seed of the run; with the prompt and the number of the sample it gives each noise seed."""

    seeds: int = 64
    """Generations per prompt, 2 or more. The default sees a work that comes back in 4.6 % of seeds
    or more with 95 % probability (1 - 0.05^(1/64))."""

    discovery: int = 16
    """The first of them, 1 to seeds - 1, which set thresholds and nominate works; the others, the
    confirmation seeds, are judged."""

    block: int = 16
    """Samples that are made together, 1 or more: the grain at which work is shared out, resumed
    and kept when `seeds` is raised later."""

    duplicated: int = 100
    """Captions of the works with the most images, two or more, of each half, 0 or more: duplicates
    are the best predictor of memorization (Carlini et al. 2023, section 4.2)."""

    random_train: int = 0
    """Captions drawn from the other training works, 0 or more; a huge number takes all."""

    random_control: int = 100
    """Captions drawn from the other control works, 0 or more: what a finding has to beat."""

    choice_seed: int = 0
    """Another seed draws other captions; apart from `run_seed`, so that a run with fresh noise asks
    the same things."""

    file: FileText | None = None
    """File with captions: one per line, or .csv, .tsv, .jsonl with a column of them."""

    file_column: str = "text"
    """That column."""

    templates: tuple[str, ...] = ()
    """Captions to fill, such as `a {title} by {artist}`, with {artist}, {title} or both. With
    {title}, each title of an artist in either half is asked."""

    artists: tuple[str, ...] = ()
    """Artists for the templates, in any case of letters; empty takes every artist of the images."""

    classes: tuple[int, ...] = ()
    """Classes for class-conditional models, 0 or more each."""

    nothing: bool = False
    """Whether to ask for an image without any prompt, as unconditional models do."""

    def __post_init__(self) -> None:
        if not 1 <= self.discovery < self.seeds:
            expected = f"expected 1 to {self.seeds - 1}, so that seeds are left to be judged"
            raise ValueError(f"discovery: {expected}, got {self.discovery} of {self.seeds} seeds")
        if self.block < 1:
            raise ValueError(f"block: expected 1 or more, got {self.block}")
        for name in ("duplicated", "random_train", "random_control"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        for label in self.classes:
            if not 0 <= label <= _MAX_CLASS:
                raise ValueError(f"classes: expected 0 to {_MAX_CLASS} each, got {label}")
        for template in self.templates:
            _check_template(template)


def _check_template(template: str) -> None:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"templates: {template!r}: {error}") from error
    if not any(name for _, name, _, _ in parts):
        raise ValueError(f"templates: expected {{artist}} or {{title}} in it, got {template!r}")
    for _, name, spec, conversion in parts:
        if name is not None and (name not in _TEMPLATE_FIELDS or spec or conversion):
            expected = "expected {artist} and {title} alone, and {{ for a brace"
            raise ValueError(f"templates: {expected}, got {{{name}}} in {template!r}")


class Ask(NamedTuple):
    """What a model is asked, and why."""

    origin: str
    text: str | None = None
    class_label: int | None = None


def prompts(
    inputs: Mapping[str, Iterable[pa.Table]], config: PromptsConfig, _: Kit
) -> Iterator[Out]:
    """Yield every generation to make.

    Args:
        inputs: works: image_id, half, work_id, mixed of WORKS; images: image_id, caption, artist,
            title of IMAGES, both halves.
        config: what to ask.

    Yields:
        PROMPTS in the order of prompt_id and sample; a batch never cuts a prompt in two. Rejected:
        lines of the file without a caption, artists without a title.

    Raises:
        StageError: the file of captions cannot be read.
    """
    captions = read_captions(inputs["works"], inputs["images"])
    asked: dict[str, Ask] = {}
    rejected: list[Rejected] = []
    for item in _asks(captions, config):
        if isinstance(item, Rejected):
            rejected.append(item)
        else:
            prompt_id = prompt_id_of(text=item.text, class_label=item.class_label)
            asked.setdefault(prompt_id, item)
    yield Out(PROMPTS.empty(), rejected)
    ids = sorted(asked)
    step = max(1, _BATCH_ROWS // config.seeds)
    for start in range(0, len(ids), step):
        batch = {prompt_id: asked[prompt_id] for prompt_id in ids[start : start + step]}
        yield Out(_rows(batch, captions, config))


def _asks(captions: Captions, config: PromptsConfig) -> Iterator[Ask | Rejected]:
    yield from _of_works(captions, config)
    if config.file is not None:
        for line in read_caption_file(config.file, config.file_column):
            yield line if isinstance(line, Rejected) else Ask("file", line)
    for template in dict.fromkeys(config.templates):
        yield from _filled(template, captions, config.artists)
    for label in config.classes:
        yield Ask("class", class_label=label)
    if config.nothing:
        yield Ask("nothing")


def _of_works(captions: Captions, config: PromptsConfig) -> Iterator[Ask]:
    seed = config.choice_seed
    chosen: set[str] = set()
    for half in ("train", "control"):
        for text in duplicated(captions, half, count=config.duplicated, choice_seed=seed):
            chosen.add(text)
            yield Ask("duplicated", text)
    for half, count in (("train", config.random_train), ("control", config.random_control)):
        for text in drawn(captions, half, count=count, choice_seed=seed, but=chosen):
            yield Ask("random", text)


def _filled(
    template: str, captions: Captions, artists: tuple[str, ...]
) -> Iterator[Ask | Rejected]:
    names = {name for _, name, _, _ in Formatter().parse(template)}
    known = list(dict.fromkeys(artist for artist, _ in captions.titles))
    for artist in dict.fromkeys(artists or known):
        if "title" not in names:
            yield Ask("template", template.format(artist=artist))
            continue
        signed = [pair for pair in captions.titles if _folded(pair[0]) == _folded(artist)]
        titled = [(name, title) for name, title in signed if title is not None]
        for name, title in titled:
            yield Ask("template", template.format(artist=name, title=title))
        if artists and not titled:
            near = get_close_matches(artist, known, n=1, cutoff=0.0)
            hint = f"; the nearest artist is {near[0]!r}" if near and not signed else ""
            message = f"no titled work by {artist!r} in the images{hint}"
            yield Rejected(f"artist {artist}: {template}", "no-title", message)


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def _rows(asked: Mapping[str, Ask], captions: Captions, config: PromptsConfig) -> pa.Table:
    rows: list[Mapping[str, Any]] = []
    for prompt_id, ask in asked.items():
        owner, shared = owner_of(captions, ask.text)
        same = {
            "prompt_id": prompt_id,
            "text": ask.text,
            "class_label": ask.class_label,
            "work_id": owner.work_id if owner else None,
            "half": owner.half if owner else None,
            "origin": f"{ask.origin}, caption of both halves" if shared else ask.origin,
        }
        rows += [
            same
            | {
                "sample": sample,
                "phase": "discovery" if sample < config.discovery else "confirmation",
                "block": sample // config.block,
                "seed": seed_of(config.run_seed, prompt_id, sample),
            }
            for sample in range(config.seeds)
        ]
    return PROMPTS.of_rows(rows)


STAGE = FoldStage(
    name="prompts",
    reads={
        "works": columns("image_id half work_id mixed", WORKS),
        "images": columns("image_id caption artist title", IMAGES),
    },
    writes=PROMPTS,
    config=PromptsConfig,
    run=prompts,
    cut=("prompt_id", "block"),
)
