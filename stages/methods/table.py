"""The table of methods: every way to say how alike pictures are, by name.

A new method is one module of this room and one line here. A case names methods, the report
compares them, and one of them is registered as the primary method of each verdict.

What a function takes and returns depends on what the method compares:

- `between`: generations of one prompt -> one number or None;
- `training`: one generation, the works -> a list with one number or None per work, in order;
- `triage`: signals from inside the model, for one prompt -> one number or None.

None says that there is no score, and the function's docstring says when. Sources are short here
and whole in the docstring of the function.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, NamedTuple


class Method(NamedTuple):
    """One published method."""

    compares: Literal["between", "training", "triage"]
    """Generations with each other, a generation with the training set, or nothing: triage reads
    signals of the model."""

    closer: Literal["larger", "smaller"]
    """Which score is evidence of copying."""

    needs: str
    """What the function takes, names with spaces between them: `pixels`, `vectors`, `hashes`,
    `one_step` (pixels of one-step samples), `group` (pixels of all generations of a prompt, where
    one would stand), `masks`; triage adds names of signals."""

    function: str
    """Module of this room and function in it, with a colon between them."""

    verdict: Literal["verbatim", "template", "partial", "low_diversity"] | None
    """Verdict that it may support; None always for triage, which is never evidence."""

    mark: float | None
    """Threshold as published, to be shown beside our own; None where none was published. No verdict
    rests on it."""

    source: str
    """Who described it, and where."""

    def load(self) -> Callable[..., Any]:
        """Import the module and return the function."""
        module, _, name = self.function.partition(":")
        found: Callable[..., Any] = getattr(import_module(f"stages.methods.{module}"), name)
        return found


_B: Literal["between"] = "between"
_T: Literal["training"] = "training"
_I: Literal["triage"] = "triage"

# name: compares, closer, needs, function, verdict, mark, source
METHODS: dict[str, Method] = {
    "clique": Method(_B, "larger", "pixels", "clique:size", "low_diversity", 10, "Carlini 4.2"),
    "descriptor_mean": Method(
        _B, "larger", "vectors", "descriptor_similarity:mean", "low_diversity", None, "MemBench"
    ),
    "descriptor_max": Method(
        _B, "larger", "vectors", "descriptor_similarity:largest", "low_diversity", None, "MemBench"
    ),
    "edges": Method(_B, "larger", "one_step", "edge_consistency:score", None, None, "Webster bb"),
    "l2": Method(_T, "smaller", "pixels", "l2:to_each", "verbatim", 0.15, "Carlini 4.2"),
    "tiled_l2": Method(
        _T, "smaller", "pixels", "tiled_l2:to_each", "verbatim", None, "Carlini 4.2"
    ),
    "adaptive_ratio": Method(
        _T, "smaller", "pixels", "adaptive_ratio:to_each", "verbatim", 1, "Carlini 5.1"
    ),
    "clip": Method(_T, "larger", "vectors", "descriptor:to_each", None, None, "Radford 2021"),
    "sscd": Method(_T, "larger", "vectors", "descriptor:to_each", "verbatim", 0.75, "Pizzi 2022"),
    "pdq": Method(_T, "smaller", "hashes", "pdq:to_each", "verbatim", 31, "Facebook 2019"),
    "webster_mv": Method(_T, "smaller", "pixels", "webster:mv", "verbatim", 2500, "Webster labels"),
    "webster_rv": Method(_T, "smaller", "pixels", "webster:mv", "verbatim", 3000, "Webster labels"),
    "webster_tv": Method(
        _T, "smaller", "pixels masks", "webster:tv", "template", 2500, "Webster labels"
    ),
    "template": Method(_T, "smaller", "group", "template:to_each", "template", 1, "Webster plan"),
    "partial": Method(_T, "larger", "pixels", "partial:to_each", "partial", None, "Lewis 1995"),
    "wen": Method(
        _I, "larger", "guidance", "triage_wen:noise_prediction_magnitude", None, None, "Wen 4"
    ),
    "wen_velocity": Method(
        _I, "larger", "velocity", "triage_wen:noise_prediction_magnitude", None, None, "Wen 4"
    ),
    "one_step": Method(
        _I,
        "larger",
        "first_with first_without sigma_max",
        "triage_webster:one_step",
        None,
        None,
        "Webster wb",
    ),
    "ren_layer": Method(_I, "larger", "attention", "triage_ren:layer_entropy", None, None, "Ren E"),
    "ren_growth": Method(
        _I, "larger", "attention end", "triage_ren:attention_entropy", None, None, "Ren D"
    ),
    "bright_ending": Method(
        _I, "larger", "guidance mask", "triage_chen:bright_ending", None, None, "Chen 4"
    ),
    "bright_ending_velocity": Method(
        _I, "larger", "velocity mask", "triage_chen:bright_ending", None, None, "Chen 4"
    ),
    "loss": Method(
        _I, "smaller", "noise predicted", "triage_carlini:loss", None, None, "Carlini 5.2"
    ),
    "lira": Method(
        _I, "larger", "losses members observed", "triage_carlini:lira", None, None, "Carlini 5.2"
    ),
}
