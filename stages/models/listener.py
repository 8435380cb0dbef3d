"""Listener: runs a pipeline as far as something is wanted of its network, and hears it.

Dimension key: B rows, T evaluations, C channels, H height, W width.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.models.attention_maps import AttentionMaps, Maps
from stages.models.conditions import Ask
from stages.models.layout import ModelError
from stages.models.levels import Shown, levels_of

Floats = NDArray[np.float32]


class Heard(NamedTuple):
    """What a network said about B rows at T evaluations, in the order asked."""

    shown: Shown
    """What is predicted, and the signal and noise of each input."""

    noisy_TBCHW: Floats
    """What the network was shown."""

    with_prompt_TBCHW: Floats
    """What it predicted with the prompt, without the variances that some networks add."""

    without_TBCHW: Floats
    """What it predicted without; empty if it was not asked."""

    maps: Maps | None = None
    """Where it looked; `None` if that was not asked for."""


def joined(parts: Sequence[Heard]) -> Heard:
    """Return what several batches said as one."""
    maps = [part.maps for part in parts if part.maps is not None]
    return Heard(
        parts[0].shown,
        np.concatenate([part.noisy_TBCHW for part in parts], axis=1),
        np.concatenate([part.with_prompt_TBCHW for part in parts], axis=1),
        np.concatenate([part.without_TBCHW for part in parts], axis=1),
        Maps(
            np.concatenate([each.attention_TBLK for each in maps], axis=1),
            np.concatenate([each.ending_Bhw for each in maps]),
            np.concatenate([each.ends_B for each in maps]),
        )
        if maps
        else None,
    )


class _EnoughHeardError(Exception):
    """Ends a call of a pipeline in the middle."""


class Listener:
    """Hears one batch after the other.

    Args:
        asked: sampler whose pipeline is run; its batch is the shape of all batches.
        evaluations: T, after which the pipeline is stopped.
        maps: listens to the attention too.
        given: latents with noise f32[B, C, H, W], and a time, to ask about instead.
    """

    def __init__(
        self,
        asked: Any,
        evaluations: int,
        maps: AttentionMaps | None,
        given: tuple[Floats, int] | None = None,
    ) -> None:
        self._asked = asked
        self._evaluations = evaluations
        self._maps = maps
        self._given = given
        self._network = getattr(asked.pipe, asked.conditions.door.network)
        self._heard: list[tuple[float, Any, Any, Any]] = []

    def run(self, asks: Sequence[Ask]) -> Heard:
        """Return what the network says of one batch.

        Args:
            asks: B rows, no more than the batch holds.

        Raises:
            ModelError: the network is asked less often, or never without the prompt.
        """
        self._heard = []
        with ExitStack() as stack:
            if self._given is not None:
                hook = self._network.register_forward_pre_hook(self._replace, with_kwargs=True)
                stack.callback(hook.remove)
            # these hooks come before those of the sampler's own recorder, which never hears the end
            hook = self._network.register_forward_hook(self._hear, with_kwargs=True)
            stack.callback(hook.remove)
            if self._maps is not None:
                stack.enter_context(self._maps.listen(asks))
            try:
                self._asked.draw(asks)
            except _EnoughHeardError:
                return self._found(len(asks))
        raise ModelError(
            f"{len(self._heard)} evaluations make a whole image here, but {self._evaluations} are"
            " asked for: ask for fewer, or set more `sampler_steps`"
        )

    def _found(self, rows: int) -> Heard:
        times, noisy, within, without = zip(*self._heard, strict=True)
        latents_TBCHW = _stacked(noisy, rows)
        return Heard(
            levels_of(self._asked.pipe.scheduler, times),
            latents_TBCHW,
            _stacked(within, rows),
            _stacked(without, rows),
            None if self._maps is None else self._maps.found(rows, latents_TBCHW.shape[-2:]),
        )

    def _replace(self, _: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        import torch

        noisy_BCHW, time = self._given or (np.empty(0), 0)
        sample, told = _inputs(args, options)
        rows = torch.from_numpy(np.asarray(noisy_BCHW)).to(sample)
        rows = torch.cat([rows, rows[-1:].expand(len(sample) - len(rows), *rows.shape[1:])])
        if rows.shape != sample.shape:
            raise ModelError(
                f"the network wants inputs {list(sample.shape)}, got {list(rows.shape)}: images"
                " cannot be shown to this class of pipeline"
            )
        told = torch.full_like(torch.as_tensor(told), time)
        return _with_inputs(args, options, rows, told)

    def _hear(self, network: Any, args: tuple[Any, ...], options: Any, output: Any) -> None:
        sample, told = _inputs(args, options)
        predicted = output[0] if isinstance(output, tuple) else output.sample
        batch = self._asked.batch
        halves = [half[:, : network.config.in_channels].float() for half in predicted.split(batch)]
        if len(halves) == 1 and self._given is None:
            raise ModelError(
                f"a {type(self._asked.pipe).__name__} asks its network once at each step: its"
                " guidance is trained into the network, and there is no prediction without the"
                " prompt to compare with"
            )
        if self._asked.wants == "text":
            # with captions the half without the prompt comes first; with classes, second
            halves.reverse()
        without = halves[1] if len(halves) > 1 else halves[0][:0]
        time = float(told.flatten()[0]) if hasattr(told, "flatten") else float(told)
        self._heard.append((time, sample[:batch].float(), halves[0], without))
        if self._maps is not None:
            self._maps.next_evaluation()
        if len(self._heard) == self._evaluations:
            raise _EnoughHeardError


def _inputs(args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any]:
    sample = args[0] if args else options["hidden_states"]
    return sample, args[1] if len(args) > 1 else options["timestep"]


def _with_inputs(args: tuple[Any, ...], options: dict[str, Any], sample: Any, time: Any) -> Any:
    named: dict[str, Any] = dict(options)
    placed = list(args)
    for place, (name, value) in enumerate((("hidden_states", sample), ("timestep", time))):
        if place < len(placed):
            placed[place] = value
        else:
            named[name] = value
    return tuple(placed), named


def _stacked(values: Sequence[Any], rows: int) -> Floats:
    return np.stack([np.asarray(each[:rows].cpu().numpy(), np.float32) for each in values])
