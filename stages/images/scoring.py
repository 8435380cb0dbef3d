"""Scoring: which methods a case asks for, and what each of them can be given here."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from stages.methods.pipelines import pipeline_of
from stages.methods.table import METHODS, Method
from stages.models.files import ModelRef

MEASURED = frozenset({"l2", "tiled_l2", "adaptive_ratio", "clip"})
"""Methods that `compare` measures for every case."""

_GIVEN = {"pixels", "vectors", "hashes", "group"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DescriptorConfig:
    """A copy descriptor, for the methods that need vectors."""

    model: ModelRef
    """File of TorchScript, such as SSCD."""

    pipeline: str = "sscd_skew"
    """What is done to a picture first: a name of `PIPELINES` in `stages/methods/pipelines.py`; each
    gives other cosines for the same pictures. The default is what the makers of SSCD advise for
    batches."""

    def __post_init__(self) -> None:
        """Refuse a pipeline that nobody can look up.

        Raises:
            ValueError: there is none of that name.
        """
        pipeline_of(self.pipeline)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreConfig:
    """Which methods score what was made, besides those that every case has."""

    methods: tuple[str, ...]
    """Names from the table of methods (`stages/methods/table.py`) that need pictures, vectors or
    hashes. `template` and `partial` have verdicts of their own; the others are shown beside the
    primary methods and found by none."""

    descriptor: DescriptorConfig | None = None
    """Network of the methods that need vectors, such as `sscd`."""

    num_others: int = 50
    """Nearest other works whose mean distance is the scale of `template`; from 1."""

    per_half: int = 2
    """Works of each half that `partial` looks at, besides the prompt's own: those that the
    comparison names and that are most alike to the descriptor, then by pixels; from 1. A work takes
    70 ms of a CPU for each generation."""

    def __post_init__(self) -> None:
        """Refuse names that cannot be scored here.

        Raises:
            ValueError: says which and why.
        """
        if not self.methods or len(set(self.methods)) != len(self.methods):
            raise ValueError(f"score.methods: expected names, each once, got {list(self.methods)}")
        for name in self.methods:
            if why := _against(name):
                raise ValueError(f"score.methods: {name}: {why}")
            if "vectors" in METHODS[name].needs and self.descriptor is None:
                raise ValueError(f"score.methods: {name} needs `score.descriptor`, got none")
        for field in ("num_others", "per_half"):
            if (found := getattr(self, field)) < 1:
                raise ValueError(f"score.{field}: expected 1 or more, got {found}")

    def only(self, names: Collection[str]) -> "ScoreConfig | None":
        """Return the same for some of its methods that need no descriptor; None if it has none."""
        kept = tuple(name for name in self.methods if name in names)
        return replace(self, methods=kept, descriptor=None) if kept else None


def scorable(method: Method) -> bool:
    """Return whether a method can be given what it needs."""
    return method.compares != "triage" and set(method.needs.split()) <= _GIVEN


def _against(name: str) -> str:
    """Return why a name cannot be scored; empty if it can."""
    choice = [each for each in METHODS if scorable(METHODS[each]) and each not in MEASURED]
    if name not in METHODS:
        return f"no such method; expected some of {', '.join(choice)}"
    if METHODS[name].compares == "triage":
        return "it looks inside the model, so it is triage and no evidence; see `triage`, `losses`"
    if name in MEASURED:
        return "every case has it; leave it out"
    if not scorable(METHODS[name]):
        return f"it needs {METHODS[name].needs}, which no step makes; expected {', '.join(choice)}"
    return ""
