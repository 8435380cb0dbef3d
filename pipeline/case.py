"""A case: one YAML file, read into one frozen dataclass of the stages' own dataclasses.

Paths in the file are relative to it. A docstring under every field says meaning, unit, range and
why this default; `palimpsest init` writes them into a new case as comments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

import yaml

from pipeline.cluster import ClusterConfig
from pipeline.errors import CaseError
from pipeline.evidence.reviews import ReviewsConfig
from pipeline.parse import parse, read_yaml
from stages.images.adopt import AdoptConfig
from stages.images.allocate import AllocateConfig
from stages.images.cliques import CliquesConfig
from stages.images.compare import CompareConfig
from stages.images.duplicates import DuplicatesConfig
from stages.images.embed import EmbedConfig
from stages.images.index_images import IndexImagesConfig
from stages.images.index_pixels import IndexPixelsConfig
from stages.images.losses import LossesConfig
from stages.images.plant import PlantConfig
from stages.images.plant_regions import PlantRegionsConfig
from stages.images.prompts import PromptsConfig
from stages.images.sample import SampleConfig
from stages.images.scoring import ScoreConfig
from stages.images.search import SearchConfig
from stages.images.sources import IngestConfig
from stages.images.triage import TriageConfig
from stages.probing import ProbesConfig, RegionProbesConfig
from stages.text.chance import ChanceConfig
from stages.text.count import CountConfig
from stages.text.gather import GatherConfig
from stages.text.index_texts import IndexTextsConfig
from stages.text.openings import OpeningsConfig
from stages.text.overlap import OverlapConfig
from stages.text.pairs import PassagesConfig
from stages.text.probe_texts import ProbeTextsConfig
from stages.text.read_outputs import OutputsConfig
from stages.text.twins import TwinsConfig
from stages.text.works import TextsConfig
from stages.text.write import WriteConfig
from stages.verdicts.blindfold import BlindConfig
from stages.verdicts.calibrate import CalibrateConfig
from stages.verdicts.flag import FlagConfig
from stages.verdicts.flag_regions import FlagRegionsConfig
from stages.verdicts.judge_texts import JudgeTextsConfig
from stages.verdicts.limits import LimitsConfig
from stages.verdicts.measures import REGIONS, fewest
from stages.verdicts.standing import AssessConfig
from stages.verdicts.units import UnitsConfig

TEXT_SECTIONS = ("train_texts", "control_texts", "outputs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that is asked of a run."""

    name: str
    """Short name of the case; it stands on the report."""

    setting: Literal["randomised", "matched", "portfolio"] = "matched"
    """How the controls arose, which decides what may be claimed: `randomised` (a coin split the
    works before training), `matched` (works that cannot be in training), `portfolio` (the owner's
    works; the training set is not known)."""

    run: str = "run"
    """Folder for everything that the run makes; relative to the case file."""

    max_rejected: float = 0.01
    """Largest share of rejected rows in any step before the run exits with 3; in [0, 1]."""

    train: IngestConfig = field(default_factory=IngestConfig)
    """What the model may have learnt from: a whole training set, or one artist's portfolio."""

    control: IngestConfig = field(default_factory=IngestConfig)
    """Works of the same kind that the model cannot have seen."""

    suspect: IngestConfig = field(default_factory=IngestConfig)
    """Images that somebody else generated, with their prompts as captions."""

    models: Mapping[str, SampleConfig] = field(default_factory=dict)
    """Models under test, by a short name, each with its sampling settings."""

    embed: EmbedConfig | None = None
    """Descriptor of the images; a case with images needs one."""

    duplicates: DuplicatesConfig = field(default_factory=DuplicatesConfig)
    """When two input images are one work."""

    index_images: IndexImagesConfig = field(default_factory=IndexImagesConfig)
    """Joint index of descriptors."""

    index_pixels: IndexPixelsConfig = field(default_factory=IndexPixelsConfig)
    """Joint index of pixels."""

    prompts: PromptsConfig = field(default_factory=PromptsConfig)
    """What the models are asked, and with how many seeds."""

    units: UnitsConfig = field(default_factory=UnitsConfig)
    """What is tested together."""

    triage: Mapping[str, TriageConfig] = field(default_factory=dict)
    """Signals from inside the models, by a short name: where to spend samples, and no evidence."""

    losses: Mapping[str, LossesConfig] = field(default_factory=dict)
    """Denoising losses of the works under the models, by a short name; triage too."""

    allocate: AllocateConfig = field(default_factory=AllocateConfig)
    """Whether every prompt gets all its seeds, or those that gave something back."""

    adopt: AdoptConfig = field(default_factory=AdoptConfig)
    """How images that somebody else generated are taken in."""

    search: SearchConfig = field(default_factory=SearchConfig)
    """Nearest indexed images of each generation."""

    cliques: CliquesConfig = field(default_factory=CliquesConfig)
    """When the generations of one caption agree."""

    compare: CompareConfig = field(default_factory=CompareConfig)
    """Pixel comparison of candidate pairs."""

    score: ScoreConfig | None = None
    """Further methods by name, and the verdicts `template` and `partial`; none by default, because
    they cost more than everything else behind the sampling."""

    calibrate: CalibrateConfig = field(default_factory=CalibrateConfig)
    """How thresholds are set on the controls."""

    flag: FlagConfig = field(default_factory=FlagConfig)
    """When a match becomes a verdict."""

    blind: BlindConfig = field(default_factory=BlindConfig)
    """Test of whether works and controls can be told apart without a model, and the repair of
    controls that can."""

    assess: AssessConfig = field(default_factory=AssessConfig)
    """How units are held against the controls; for images and texts."""

    probes: ProbesConfig = field(default_factory=ProbesConfig)
    """What is copied on purpose, to say from which rate on a work would have been found."""

    train_texts: TextsConfig = field(default_factory=TextsConfig)
    """Texts that the language model may have learnt from."""

    control_texts: TextsConfig = field(default_factory=TextsConfig)
    """Texts of the same kind that it cannot have seen, as many as of the others."""

    outputs: OutputsConfig = field(default_factory=OutputsConfig)
    """What a language model wrote elsewhere, with every attempt, the failed ones too."""

    writers: Mapping[str, WriteConfig] = field(default_factory=dict)
    """Language models under test, by a short name, each with its settings."""

    twins: TwinsConfig = field(default_factory=TwinsConfig)
    """When two texts are one work."""

    text_index: IndexTextsConfig | None = None
    """`{}` keeps an index of all texts, for `palimpsest find-text`; it takes 1.8 times the bytes of
    the texts. A run needs none, so by default there is none."""

    count: CountConfig = field(default_factory=CountConfig)
    """How often each word stands in the control texts."""

    openings: OpeningsConfig = field(default_factory=OpeningsConfig)
    """What the language models are given, and with how many seeds."""

    gather: GatherConfig = field(default_factory=GatherConfig)
    """Outputs that are searched together."""

    overlap: OverlapConfig = field(default_factory=OverlapConfig)
    """Which runs of words of the outputs stand in the texts."""

    passages: PassagesConfig = field(default_factory=PassagesConfig)
    """How an output and a text are compared."""

    chance: ChanceConfig = field(default_factory=ChanceConfig)
    """How often unrelated works share a run of words."""

    judge_texts: JudgeTextsConfig = field(default_factory=JudgeTextsConfig)
    """When a passage becomes a verdict."""

    reviews: ReviewsConfig = field(default_factory=ReviewsConfig)
    """What people decided on the findings; it enters bundles and changes no result."""

    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    """Where it runs; changes no result."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_rejected <= 1:
            raise ValueError(f"max_rejected: expected a share in [0, 1], found {self.max_rejected}")
        for name in ("train", "control", "suspect", *TEXT_SECTIONS):  # part of every id
            section = replace(getattr(self, name), dataset=name)
            object.__setattr__(self, name, section)
        design, repair = self.allocate.design, self.blind.repair
        judged = replace(self.assess, setting=self.setting, design=design, repair=repair)
        object.__setattr__(self, "assess", judged)
        object.__setattr__(self, "flag", replace(self.flag, design=self.allocate.design))
        texts = self.writers or any(getattr(self, name).sources for name in TEXT_SECTIONS)
        images = self.models or any((self.train.sources, self.suspect.sources))
        if self.embed is None and (images or not texts):
            raise ValueError("embed: missing; EmbedConfig is required where images are examined")

    @property
    def plant(self) -> Mapping[str, PlantConfig]:
        """Through which models copies go: each of `models`, but not twice for other settings."""
        first: dict[PlantConfig, str] = {}
        for name, entry in self.models.items():
            config = PlantConfig(model=entry.model, height=entry.height, width=entry.width)
            first.setdefault(config, name)
        return {name: config for config, name in first.items()}

    @property
    def balance(self) -> BlindConfig | None:
        """How units look to who never saw the model; no matter where a coin split the works."""
        needless = self.setting == "randomised" and self.blind.repair == "none"
        return None if needless else self.blind

    @property
    def probe_score(self) -> ScoreConfig | None:
        """Which parts of works are planted and looked for: those whose verdicts the case asks."""
        return self.score.only(REGIONS) if self.score and self.models else None

    @property
    def probe_regions(self) -> RegionProbesConfig | None:
        """Of which works, and of how many images one copy of a layout is; None for no parts."""
        if (score := self.probe_score) is None:
            return None
        least = max(self.flag.min_hits, *map(fewest, score.methods))
        same = {"works": self.probes.works, "choice_seed": self.probes.choice_seed}
        more = {"layout_seeds": least, "per_half": score.per_half}
        return RegionProbesConfig(methods=score.methods, **same, **more)

    @property
    def plant_regions(self) -> Mapping[str, PlantRegionsConfig]:
        """Through which models parts go: each model once; none for no parts."""
        first: dict[str, PlantRegionsConfig] = {}
        for name, entry in self.plant.items():
            if self.probe_score and entry.model not in {one.model for one in first.values()}:
                sides = {"height": entry.height, "width": entry.width}
                first[name] = PlantRegionsConfig(model=entry.model, **sides)
        return first

    @property
    def flag_regions(self) -> FlagRegionsConfig:
        """When a layout or a region becomes a candidate: as `flag` has it."""
        return FlagRegionsConfig(min_hits=self.flag.min_hits, design=self.flag.design)

    @property
    def limits(self) -> LimitsConfig:
        """What a finding of images has to meet; no section of its own, so it is what is judged."""
        found = self._limits(self.flag.min_hits)
        is_fixed = self.allocate.design == "fixed"
        return found if is_fixed else replace(found, rule=self.allocate.rule())

    @property
    def text_limits(self) -> LimitsConfig:
        """The same for texts."""
        return self._limits(self.judge_texts.min_hits)

    @property
    def probe_texts(self) -> ProbeTextsConfig:
        """Which passages are copied, and when one is a hit."""
        return ProbeTextsConfig(
            works=self.probes.texts,
            choice_seed=self.probes.choice_seed,
            min_words=self.judge_texts.min_words,
            min_near_words=self.judge_texts.min_near_words,
        )

    def _limits(self, min_hits: int) -> LimitsConfig:
        return LimitsConfig(
            min_hits=min_hits,
            q=self.assess.q,
            min_rate=self.assess.min_rate,
            prompts_per_unit=self.assess.prompts_per_unit,
            setting=self.setting,
            repair=self.assess.repair,
        )


def load(path: Path) -> Case:
    """Return the case in a YAML file.

    Raises:
        CaseError: the file cannot be read, or a key, type or value in it is wrong.
    """
    try:
        found = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CaseError(f"{path}: cannot be read as a case: {error}") from error
    return cast("Case", parse(found, Case))
