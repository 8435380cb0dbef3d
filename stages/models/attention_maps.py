"""Attention maps: where the pixels of a network look in the caption, heard beside its own work.

Only layers that look at the caption and nothing else count (`attn2` of a UNet). The joint attention
of SD3 and Flux mixes pixels and tokens in one softmax and is another quantity; a DiT of classes has
no caption to look at.

Dimension key: B rows, T evaluations, L layers in the order in which they run, K tokens, Q pixels
that look, h and w sides of a map.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.models.conditions import Ask
from stages.models.layout import ModelError

Floats = NDArray[np.float32]

_WAY_DOWN = "down_blocks."


class Maps(NamedTuple):
    """What was heard of B rows."""

    attention_TBLK: Floats
    """Attention to each token, mean over pixels and heads."""

    ending_Bhw: Floats
    """Attention to the end token at the last evaluation, mean over heads and over the layers of the
    finest map on the way down."""

    ends_B: NDArray[np.int64]
    """Place of the end token."""


class AttentionMaps:
    """Listens to the cross-attention of a guided batch, in the half that has the prompt."""

    def __init__(self, pipe: Any, batch: int) -> None:
        network = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
        layers = dict(network.named_modules()) if network is not None else {}
        self._layers = {name: each for name, each in layers.items() if name.endswith(".attn2")}
        if not self._layers or not hasattr(pipe, "tokenizer"):
            raise ModelError(
                f"the {type(network).__name__} of a {type(pipe).__name__} has no cross-attention to"
                " the tokens of a caption, which attention entropy and bright ending are made of:"
                " choose methods that need guidance alone"
            )
        self._tokenizer = pipe.tokenizer
        self._batch = batch
        self._start([])

    @contextmanager
    def listen(self, asks: Sequence[Ask]) -> Iterator[None]:
        """Listen while the block runs.

        Args:
            asks: rows of one batch.
        """
        self._start([self._end_of(ask) for ask in asks])
        hooks = [
            layer.register_forward_hook(partial(self._hear, name), with_kwargs=True)
            for name, layer in self._layers.items()
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def next_evaluation(self) -> None:
        """Begin the next evaluation; called when the network has answered."""
        self._means.append({})

    def found(self, rows: int, shape: tuple[int, int]) -> Maps:
        """Return what was heard of the first rows.

        Args:
            rows: B, without those that fill up the batch.
            shape: height and width of the latents.

        Raises:
            ModelError: a map does not have the shape of the latents.
        """
        import torch

        means = [torch.stack(list(each.values()), dim=1) for each in self._means if each]
        # layers of one size are one map; a UNet may have attention on the way up alone
        down = {name: seen for name, seen in self._endings.items() if name.startswith(_WAY_DOWN)}
        endings = list((down or self._endings).values())
        finest = max(seen.shape[1] for seen in endings)
        ending_BQ = torch.stack([seen for seen in endings if seen.shape[1] == finest]).mean(dim=0)
        height, width = shape
        step = isqrt(height * width // finest)
        if (height // step) * (width // step) != finest:
            raise ModelError(f"a map of {finest} pixels does not fit latents of {height} x {width}")
        sides = (rows, height // step, width // step)
        return Maps(
            np.stack([np.asarray(each[:rows].cpu().numpy()) for each in means]),
            np.asarray(ending_BQ[:rows].reshape(sides).cpu().numpy()),
            np.asarray(self._ends[:rows], np.int64),
        )

    def _start(self, ends: list[int]) -> None:
        self._ends = ends + ends[-1:] * (self._batch - len(ends))
        self._means: list[dict[str, Any]] = [{}]
        self._endings: dict[str, Any] = {}

    def _end_of(self, ask: Ask) -> int:
        longest = self._tokenizer.model_max_length
        tokens = self._tokenizer(ask.text or "", truncation=True, max_length=longest).input_ids
        return len(tokens) - 1

    def _hear(
        self, name: str, layer: Any, args: tuple[Any, ...], options: dict[str, Any], _: Any
    ) -> None:
        import torch

        caption = options["encoder_hidden_states"][self._batch :]
        if layer.norm_cross:
            caption = layer.norm_encoder_hidden_states(caption)
        asking = layer.head_to_batch_dim(layer.to_q(args[0][self._batch :]))
        asked = layer.head_to_batch_dim(layer.to_k(caption))
        scores = layer.get_attention_scores(asking, asked).float()
        attention_BQK = scores.unflatten(0, (self._batch, -1)).mean(dim=1)
        self._means[-1][name] = attention_BQK.mean(dim=1)
        ends_B = torch.tensor(self._ends, device=attention_BQK.device)
        rows_B = torch.arange(self._batch, device=attention_BQK.device)
        self._endings[name] = attention_BQK[rows_B, :, ends_B]
