"""Cross-attention entropy (Ren): how widely the attention spreads over the tokens of the prompt.

`a` is the attention to each token, averaged over the pixels that ask and over the heads. The
`summary` tokens are the end of the text and the padding behind it.

Dimension key: T evaluations, N seeds, L layers in the order in which they run, K tokens.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

LAYER = 3
"""Layer of the single-step score: the fourth of the sixteen of Stable Diffusion 1."""

LAST = 10
"""Evaluations at the end over which the score of all steps takes its mean: 40 to 49 of 50."""


def layer_entropy(attention_TNLK: Array, layer: int = LAYER) -> float:
    """Return E of one layer at the first step, in nats; larger looks more memorized.

    E = - sum_i a_i log a_i over all tokens; the mean over seeds.

    Args:
        attention_TNLK: attention averaged over pixels and heads; sums to 1 over K.
        layer: number of the layer, 0 to L - 1.

    Raises:
        ValueError: the network has no such layer.

    Source: Ren et al. 2024, "Unveiling and Mitigating Memorization in Text-to-image Diffusion
    Models through Cross Attention", section 4; mode E of the published code.

    >>> round(layer_entropy(np.array([[[[0.5, 0.5]]]]), layer=0), 4)  # log 2
    0.6931
    """
    layers = attention_TNLK.shape[2]
    if not 0 <= layer < layers:
        raise ValueError(f"layer {layer}: the network has cross-attention layers 0 to {layers - 1}")
    return float(_entropy(attention_TNLK[0, :, layer]).mean())


def attention_entropy(attention_TNLK: Array, end: int, last: int = LAST) -> float:
    """Return mean E of the last steps plus the growth of E over the summary tokens, in nats.

    D = mean_last E(t) + (mean_last E_pad(t) - E_pad(0)), where E_pad sums over i >= end only and
    `a` is averaged over all layers before its logarithm is taken; the mean over seeds. Larger looks
    more memorized.

    Args:
        attention_TNLK: attention averaged over pixels and heads; sums to 1 over K.
        end: place of the end token: tokens of the prompt, with begin and end, less one.
        last: evaluations at the end that count; all, if there are fewer.

    Raises:
        ValueError: there is no such token.

    Source: Ren et al. 2024, section 4; mode D of the published code.

    >>> first, later = [0.5, 0.25, 0.25], [0.0, 0.5, 0.5]
    >>> attention = np.array([[[first]], [[later]]])
    >>> found = attention_entropy(attention, end=1, last=1)
    >>> round(found, 4) == round(float(np.log(2) + (np.log(2) - 0.5 * np.log(4))), 4)
    True
    """
    tokens = attention_TNLK.shape[3]
    if not 0 <= end < tokens:
        raise ValueError(f"end token {end}: expected a token of 0 to {tokens - 1}")
    mean_TNK = np.asarray(attention_TNLK, np.float64).mean(axis=2)
    whole_TN, summary_TN = _entropy(mean_TNK), _entropy(mean_TNK[..., end:])
    growth_N = summary_TN[-last:].mean(axis=0) - summary_TN[0]
    return float((whole_TN[-last:].mean(axis=0) + growth_N).mean())


def _entropy(attention_K: Array) -> NDArray[np.float64]:
    a_K = np.asarray(attention_K, np.float64)
    # a log a tends to 0 with a, and half precision rounds small attention to 0
    logs_K = np.log(np.where(a_K > 0, a_K, 1))
    return np.asarray(-(a_K * logs_K).sum(axis=-1))
