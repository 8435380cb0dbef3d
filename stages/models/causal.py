"""Causal: one door to every language model that transformers can load as a causal one.

A batch has one fixed shape: prompts are padded on the left, batches are filled up, and as many
steps are made as were asked for. The noise of a row comes from a generator of its own on the CPU.
So what a row becomes depends neither on its neighbours nor on the order of the rows.

Dimension key: B rows of a batch, W tokens of a prompt with padding, T new tokens, S tokens of a
suffix, V entries of the vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stages.contract import Kit
from stages.models.layout import ModelError, files_to_load, read_json
from stages.models.next_token import Scheme, draw, log_probabilities
from stages.models.runtime import prepare, quiet


class Knobs(NamedTuple):
    """What decides the text besides model, prompt and seed; `WriteConfig` explains each."""

    scheme: Scheme = Scheme()
    prompt_tokens: int = 50
    new_tokens: int = 50
    suffix_tokens: int = 50
    batch: int = 16
    dtype: str = "float32"


class Ask(NamedTuple):
    """One text to write."""

    tokens: Sequence[int]
    """Prompt, as `Writer.prompt` gives it."""

    seed: int | None
    """Of the sampler; `None` takes the likeliest token each time."""


class Prompt(NamedTuple):
    """A prompt as the model is given it."""

    tokens: tuple[int, ...]
    """With the mark of the beginning, where the tokenizer sets one."""

    text: str
    """The part of the prompt that these tokens cover."""

    suffix: tuple[int, ...]
    """First tokens of the true suffix, as many as were asked for or fewer."""


class Written(NamedTuple):
    """What a model wrote."""

    text: str
    num_tokens: int
    """Tokens before the mark of the end."""

    is_finite: bool
    """False if the network gave NaN or infinity before the end; the text means nothing then."""


class Writer(Protocol):
    """Writes texts."""

    def prompt(self, text: str, suffix: str | None = None) -> Prompt:
        """Return the last tokens of a prompt, and the first of its suffix."""
        ...

    def write(self, asks: Sequence[Ask]) -> list[Written]:
        """Return the texts asked for, B rows in the same order."""
        ...

    def score(self, prompts: Sequence[Prompt]) -> NDArray[np.float64]:
        """Return the log probability of each suffix; -inf for 0, NaN where the network gave NaN."""
        ...


def open_writer(path: Path, knobs: Knobs, kit: Kit, *, variant: str | None = None) -> Writer:
    """Load a model and its tokenizer from a local folder onto the device of this worker.

    Args:
        path: folder with `config.json`, safetensors and a fast tokenizer; code in it is never run.
        knobs: how to write.
        kit: device and threads.
        variant: middle part of the names of the weights, such as `fp16`.

    Raises:
        ModelError: no causal model that is known, no safetensors, no fast tokenizer, or a prompt
            and text that are longer than the model can look back.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    files_to_load(path, variant=variant)
    device = prepare(kit)
    quiet()
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **local)
        model = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=getattr(torch, knobs.dtype),
            variant=variant,
            use_safetensors=True,
            **local,
        )
    except (OSError, ValueError, KeyError) as error:
        kind = read_json(path / "config.json").get("model_type")
        raise ModelError(
            f"{path}: transformers cannot open {kind!r} as a causal language model with a"
            f" tokenizer, without code that comes with it: {error}"
        ) from error
    if not tokenizer.is_fast:
        raise ModelError(f"{path}: expected a fast tokenizer (tokenizer.json), which knows places")
    needed = knobs.prompt_tokens + 1 + max(knobs.new_tokens, knobs.suffix_tokens)
    most = getattr(model.config, "max_position_embeddings", None)
    if most is not None and needed > most:
        raise ModelError(
            f"{path} looks back {most} tokens, but prompt_tokens, a mark of the beginning and the"
            f" longer of new_tokens and suffix_tokens are {needed}"
        )
    return _Causal(model.eval().to(device), tokenizer, knobs, _ends(model, tokenizer))


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end a text, by the settings of the model or else of the tokenizer."""
    said = model.generation_config.eos_token_id
    said = tokenizer.eos_token_id if said is None else said
    ends = said if isinstance(said, list) else [said]
    return frozenset(end for end in ends if end is not None)


@dataclass(frozen=True, slots=True)
class _Causal:
    """An opened model of transformers."""

    model: Any
    tokenizer: Any
    knobs: Knobs
    ends: frozenset[int]

    def prompt(self, text: str, suffix: str | None = None) -> Prompt:
        whole = self.tokenizer(
            text + (suffix or ""), add_special_tokens=False, return_offsets_mapping=True
        )
        tokens, spans = whole["input_ids"], whole["offset_mapping"]
        # a token that reaches over the border belongs to the suffix: a prompt tells nothing of it
        cut = next((n for n, (_, end) in enumerate(spans) if end > len(text)), len(spans))
        first = max(0, cut - self.knobs.prompt_tokens)
        given = text[spans[first][0] : spans[cut - 1][1]] if cut else ""
        return Prompt(
            (*self._beginning(empty=not cut), *tokens[first:cut]),
            given,
            tuple(tokens[cut : cut + self.knobs.suffix_tokens]),
        )

    def _beginning(self, *, empty: bool) -> tuple[int, ...]:
        """Return the mark of the beginning if the tokenizer sets it, or nothing else is there."""
        mark = self.tokenizer.bos_token_id
        is_set = mark is not None and self.tokenizer("")["input_ids"][:1] == [mark]
        return (mark,) if is_set or (empty and mark is not None) else ()

    def write(self, asks: Sequence[Ask]) -> list[Written]:
        return self._in_batches(asks, self._write_batch)

    def score(self, prompts: Sequence[Prompt]) -> NDArray[np.float64]:
        return np.array(self._in_batches(prompts, self._score_batch), np.float64)

    def _in_batches(
        self, rows: Sequence[Any], run: Callable[[Sequence[Any]], list[Any]]
    ) -> list[Any]:
        import torch

        done = []
        for start in range(0, len(rows), self.knobs.batch):
            part = rows[start : start + self.knobs.batch]
            full = [*part, *[part[-1]] * (self.knobs.batch - len(part))]
            with torch.inference_mode():
                done += run(full)[: len(part)]
        return done

    def _inputs(
        self, prompts_BT: Sequence[Sequence[int]], suffixes_BS: Sequence[Sequence[int]]
    ) -> Any:
        """Return tokens, mask and positions; prompts end at one column, suffixes begin after it."""
        import torch

        # one column more than the longest prompt: a batch without padding would take another path
        # through the attention, and other last bits
        width = self.knobs.prompt_tokens + 2
        length = width + max(map(len, suffixes_BS))
        tokens_BW = torch.zeros(len(prompts_BT), length, dtype=torch.int64)
        mask_BW = torch.zeros_like(tokens_BW)
        for row, (prompt, suffix) in enumerate(zip(prompts_BT, suffixes_BS, strict=True)):
            filled = slice(width - len(prompt), width + len(suffix))
            tokens_BW[row, filled] = torch.tensor([*prompt, *suffix], dtype=torch.int64)
            mask_BW[row, filled.start :] = 1
        positions_BW = (mask_BW.cumsum(-1) - 1).clamp(min=0)
        return (each.to(self.model.device) for each in (tokens_BW, mask_BW, positions_BW))

    def _write_batch(self, asks: Sequence[Ask]) -> list[Written]:
        import torch

        tokens_BW, mask_BW, positions_BW = self._inputs([a.tokens for a in asks], [()] * len(asks))
        uniforms_BT = torch.stack([_uniforms(ask.seed, self.knobs.new_tokens) for ask in asks])
        greedy_B = torch.tensor([ask.seed is None for ask in asks])
        made, finite, past = [], [], None
        for step in range(self.knobs.new_tokens):
            out = self.model(
                input_ids=tokens_BW,
                attention_mask=mask_BW,
                position_ids=positions_BW,
                past_key_values=past,
                use_cache=True,
                logits_to_keep=1,
            )
            past, logits_BV = out.past_key_values, out.logits[:, -1].to("cpu", torch.float64)
            # minus infinity is how some models say that a token never comes
            finite.append((logits_BV < torch.inf).all(-1))
            drawn_B = draw(log_probabilities(logits_BV, self.knobs.scheme), uniforms_BT[:, step])
            made.append(torch.where(greedy_B, logits_BV.argmax(-1), drawn_B))
            tokens_BW = made[-1][:, None].to(mask_BW.device)
            mask_BW = torch.cat([mask_BW, torch.ones_like(mask_BW[:, :1])], dim=1)
            positions_BW = positions_BW[:, -1:] + 1
        made_BT, finite_BT = torch.stack(made, dim=1), torch.stack(finite, dim=1)
        return [
            self._written(*pair) for pair in zip(made_BT.tolist(), finite_BT.tolist(), strict=True)
        ]

    def _written(self, tokens: list[int], finite: list[bool]) -> Written:
        stop = next((n for n, token in enumerate(tokens) if token in self.ends), len(tokens))
        text = self.tokenizer.decode(
            tokens[:stop], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        # the step that drew the end counts too
        return Written(text, stop, all(finite[: stop + 1]))

    def _score_batch(self, prompts: Sequence[Prompt]) -> list[float]:
        import torch

        most = self.knobs.suffix_tokens
        filler = [(*p.suffix, *[0] * (most - len(p.suffix))) for p in prompts]
        tokens_BW, mask_BW, positions_BW = self._inputs([p.tokens for p in prompts], filler)
        logits_BSV = self.model(
            input_ids=tokens_BW,
            attention_mask=mask_BW,
            position_ids=positions_BW,
            use_cache=False,
            logits_to_keep=most + 1,
        ).logits[:, :-1]
        sums = []
        for row, prompt in enumerate(prompts):
            size = len(prompt.suffix)
            logps_SV = log_probabilities(logits_BSV[row, :size], self.knobs.scheme)
            chosen_S1 = torch.tensor(prompt.suffix, dtype=torch.int64)[:, None]
            sums.append(float(logps_SV.gather(-1, chosen_S1).sum()))
        return sums


def _uniforms(seed: int | None, count: int) -> Any:
    import torch

    generator = torch.Generator("cpu").manual_seed(seed or 0)
    return torch.rand(count, generator=generator, dtype=torch.float64)
