"""Next token: what a sampling scheme makes of the numbers of a language model.

Dimension key: B rows, V entries of the vocabulary.
"""

from typing import Any, NamedTuple


class Scheme(NamedTuple):
    """How the next token is drawn; applied in this order, as transformers does."""

    temperature: float = 1.0
    """Logits are divided by it, above 0."""

    top_k: int | None = None
    """Only so many of the likeliest tokens are left, and those tied with the last."""

    top_p: float = 1.0
    """Only the likeliest tokens that together reach this probability are left."""


def log_probabilities(logits_BV: Any, scheme: Scheme) -> Any:
    """Return log probabilities f64[B, V] of the next token under a scheme; -inf for what it drops.

    Args:
        logits_BV: as the network gives them.
        scheme: temperature, then top k, then top p.

    Source: Holtzman et al. 2020, section 3.1 (top p); Fan et al. 2018, section 5.1 (top k).
    """
    import torch

    scaled_BV = logits_BV.to("cpu", torch.float64) / scheme.temperature
    if scheme.top_k is not None and scheme.top_k < scaled_BV.shape[-1]:
        least_B1 = scaled_BV.topk(scheme.top_k).values[:, -1:]
        scaled_BV = scaled_BV.masked_fill(scaled_BV < least_B1, -torch.inf)
    if scheme.top_p < 1:
        sorted_BV, order_BV = scaled_BV.sort(descending=True, stable=True)
        share_BV = sorted_BV.softmax(-1)
        # a token stays if those before it do not reach the share: so the first one always does
        dropped_BV = share_BV.cumsum(-1) - share_BV >= scheme.top_p
        dropped_BV = torch.zeros_like(dropped_BV).scatter(-1, order_BV, dropped_BV)
        scaled_BV = scaled_BV.masked_fill(dropped_BV, -torch.inf)
    return scaled_BV.log_softmax(-1)


def draw(logps_BV: Any, uniforms_B: Any) -> Any:
    """Return one token per row, int64[B]: the first whose cumulative probability passes a uniform.

    Args:
        logps_BV: f64, as `log_probabilities` gives them.
        uniforms_B: f64 in [0, 1).
    """
    import torch

    sums_BV = logps_BV.exp().cumsum(-1)
    wanted_B1 = uniforms_B[:, None] * sums_BV[:, -1:]
    places_B = torch.searchsorted(sums_BV, wanted_B1, right=True)[:, 0]
    # a row of NaN has no such token
    return places_B.clamp(max=logps_BV.shape[-1] - 1)
