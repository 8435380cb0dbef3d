"""Write: one text per prompt and seed, and how likely the model finds the true suffix.

Beside each text stands the log probability of the true suffix under the same scheme, summed from
one forward pass. From it follow, without any sampling, the attempts n after which the suffix comes
at least once with probability p: 1 - (1 - exp(logprob))^n >= p.

Source: Carlini et al. 2022 (a prefix and a suffix of 50 tokens each); Hayes et al. 2024, section 3
((n, p)-discoverable extraction); Cooper et al. 2025 (top k of 40, temperature 1).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import inf, isnan
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from stages.contract import Kit, MapStage, Out, Rejected, columns
from stages.models.causal import Ask, Knobs, Prompt, Writer, Written, open_writer
from stages.models.files import ModelRef, model_digest, resolve
from stages.models.next_token import Scheme
from stages.tables import OUTPUTS, PROMPTS

NOT_FINITE = "not finite: the model gave NaN or infinity; half precision overflows in some models"
EMPTY = "the output is empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteConfig:
    """Knobs of the write stage: one config is one writer."""

    model: ModelRef
    """Writer: a folder of transformers with a causal language model and a fast tokenizer."""

    greedy: bool = False
    """Whether sample 0 of each prompt takes the likeliest token each time. It is a discovery
    sample: greedy decoding nominates works, while the rate at which they come back is judged on
    sampled ones."""

    temperature: float = 1.0
    """Logits are divided by it, above 0; 1 is what the model was trained for."""

    top_k: int | None = 40
    """Only so many of the likeliest tokens are drawn from, 1 or more; none for all. 40 as in
    Cooper et al. 2025."""

    top_p: float = 1.0
    """Only the likeliest tokens that together reach this probability are drawn from, in (0, 1]."""

    prompt_tokens: int = 50
    """The model is given the last so many tokens of a prompt, 1 or more; 50 as in Carlini et al.
    2022. A shorter prompt costs as much."""

    new_tokens: int = 50
    """Most tokens to write, 1 or more."""

    suffix_tokens: int = 50
    """Tokens of the true suffix whose probability is computed, 0 or more; 0 computes none."""

    batch: int = 16
    """Texts written together, 1 or more. It is part of the result: another shape can change the
    last bits. A batch that is not full costs as much as a full one, so it should divide
    `openings.block`."""

    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Arithmetic of the network; half precision is for GPUs."""

    def __post_init__(self) -> None:
        """Refuse values that no model could take.

        Raises:
            ValueError: names the field, what was found and what was expected.
        """
        for name, least in (
            ("top_k", 1),
            ("prompt_tokens", 1),
            ("new_tokens", 1),
            ("suffix_tokens", 0),
            ("batch", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be {least} or more, got {value}")
        if not 0 < self.temperature < inf:
            raise ValueError(
                f"temperature must be above 0, got {self.temperature}; for the likeliest token each"
                " time say `greedy: true` or `top_k: 1`"
            )
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, got {self.top_p}")
        if self.dtype not in {"float32", "float16", "bfloat16"}:
            raise ValueError(f"dtype must be float32, float16 or bfloat16, got {self.dtype!r}")


class WriteTools(NamedTuple):
    """An opened model."""

    writer: Writer
    """Writes texts."""

    model_id: str
    """Digest of the model's files."""

    settings: Mapping[str, Any]
    """Every knob but the model; `greedy` says what sample 0 is."""


class _Told(NamedTuple):
    """What the model is told of one prompt, and what it thinks of its suffix."""

    prompt: Prompt
    suffix_logprob: float | None
    suffix_tokens: int | None


def open_write(config: WriteConfig, kit: Kit) -> WriteTools:
    """Load the model onto this worker's device."""
    settings = asdict(config)
    del settings["model"]
    scheme = Scheme(config.temperature, config.top_k, config.top_p)
    knobs = Knobs(
        scheme,
        **{name: settings[name] for name in Knobs._fields if name != "scheme"},
    )
    writer = open_writer(resolve(config.model), knobs, kit, variant=config.model.variant)
    return WriteTools(writer, model_digest(config.model), settings)


def write(inputs: Mapping[str, pa.Table], tools: WriteTools) -> Out:
    """Return one attempt per prompt and seed.

    Args:
        inputs: `prompts`: PROMPTS, usually one prompt and one block of seeds.
        tools: the opened model.

    Returns:
        OUTPUTS in the order of the prompts; `prompt` is the part of it that the model was given,
        `set` the writer. An attempt in which the model gave NaN or wrote nothing is kept and says
        so in `failure`. Rejected are prompts without a single token (`empty-prompt`).
    """
    rows = inputs["prompts"].to_pylist()
    told = _told(rows, tools)
    kept = [row for row in rows if told[row["prompt_id"]].prompt.tokens]
    asks = [Ask(told[row["prompt_id"]].prompt.tokens, _seed(row, tools.settings)) for row in kept]
    made = tools.writer.write(asks) if asks else []
    outputs = [
        _output(row, told[row["prompt_id"]], written, tools)
        for row, written in zip(kept, made, strict=True)
    ]
    rejected = [
        Rejected(
            output_id_of(tools.model_id, tools.settings, row),
            "empty-prompt",
            f"prompt {row['prompt_id'][:12]} ({row['text']!r:.40}) has no token, and the tokenizer"
            " has no mark of the beginning that could stand for it",
        )
        for row in rows
        if not told[row["prompt_id"]].prompt.tokens
    ]
    return Out(OUTPUTS.of_rows(outputs), rejected)


def _told(rows: Sequence[Mapping[str, Any]], tools: WriteTools) -> dict[str, _Told]:
    """Return what the model is told, by prompt_id; each suffix is scored once."""
    told = {}
    for row in rows:
        if row["prompt_id"] not in told:
            prompt = tools.writer.prompt(row["text"] or "", row["suffix"])
            told[row["prompt_id"]] = _Told(prompt, None, None)
    scored = [name for name, each in told.items() if each.prompt.suffix and each.prompt.tokens]
    if scored:
        logprobs = tools.writer.score([told[name].prompt for name in scored]).tolist()
        for name, logprob in zip(scored, logprobs, strict=True):
            prompt = told[name].prompt
            if not isnan(logprob):
                told[name] = _Told(prompt, None if logprob == -inf else logprob, len(prompt.suffix))
    return told


def _is_greedy(row: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    return bool(settings["greedy"]) and row["sample"] == 0


def _seed(row: Mapping[str, Any], settings: Mapping[str, Any]) -> int | None:
    return None if _is_greedy(row, settings) else int(row["seed"])


def _settings(row: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    own = {**settings, "greedy": _is_greedy(row, settings)}
    return json.dumps(own, sort_keys=True, separators=(",", ":"))


def output_id_of(model_id: str, settings: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Return the id of an attempt.

    Args:
        model_id: digest of the model's files.
        settings: every knob of `WriteConfig` but the model.
        row: prompt_id, sample and seed of PROMPTS.
    """
    place = {
        "model_id": model_id,
        "prompt_id": row["prompt_id"],
        "settings": _settings(row, settings),
        "sample": row["sample"],
        "seed": _seed(row, settings),
    }
    return sha256(json.dumps(place, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _output(
    row: Mapping[str, Any], told: _Told, written: Written, tools: WriteTools
) -> dict[str, Any]:
    failure = None if written.text.strip() else EMPTY
    if not written.is_finite:
        failure = NOT_FINITE
    kept = ("prompt_id", "sample", "phase", "work_id", "half", "origin")
    return {
        **{name: row[name] for name in kept},
        "output_id": output_id_of(tools.model_id, tools.settings, row),
        "set": tools.model_id[:16],
        "model_id": tools.model_id,
        "seed": _seed(row, tools.settings),
        "settings": _settings(row, tools.settings),
        "prompt": told.prompt.text,
        "context": None,
        "text": None if failure else written.text,
        "failure": failure,
        "num_tokens": written.num_tokens,
        "suffix_logprob": told.suffix_logprob,
        "suffix_tokens": told.suffix_tokens,
    }


STAGE = MapStage(
    name="write",
    reads={
        "prompts": columns("prompt_id sample phase seed text suffix work_id half origin", PROMPTS)
    },
    writes=OUTPUTS,
    config=WriteConfig,
    open=open_write,
    run=write,
)
