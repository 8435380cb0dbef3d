"""Two small classifiers that never see the model: letters of a caption, numbers of an image.

Dimension key: N units, F features, E grams of all texts, G distinct grams.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MOST_LETTERS = 4
_RARE = 3
_RIDGE = 1.0
_FAR = 5.0
_MOST_STEPS = 50
_SMALL_STEP = 1e-8
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Letters:
    """Naive Bayes on which runs of 1 to 4 characters a text has; case matters.

    Source: the blind attack of Das, Zhang and Tramer 2024, arXiv 2406.16201, on characters.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        grams = [_grams(text) for text in texts]
        self._num_G_of_text = np.array([len(gram) for gram in grams])
        self._text_E = np.repeat(np.arange(len(texts)), self._num_G_of_text)
        values = np.unique(np.concatenate(grams), return_inverse=True)
        self._gram_E = values[1]
        self._num_grams = len(values[0])

    def scores(self, is_learnt_N: Bools, is_test_N: Bools) -> Floats:
        """Return log-odds of every text, learnt from some; longer texts are not surer.

        No share of labels enters, so that scores learnt from different folds go together.
        """
        seen_E = is_learnt_N[self._text_E]
        test_E = is_test_N[self._text_E]
        odds_G = np.zeros(self._num_grams)
        total_G = np.zeros(self._num_grams)
        for label, sign in ((True, 1), (False, -1)):
            gram_E = self._gram_E[seen_E & (test_E == label)]
            count_G = np.bincount(gram_E, minlength=self._num_grams)
            num = np.count_nonzero(is_learnt_N & (is_test_N == label))
            # smoothed by the same share on both sides: by the same count, a rare gram would speak
            # for whichever label has fewer texts
            odds_G += sign * np.log(count_G / num + 1 / np.count_nonzero(is_learnt_N))
            total_G += count_G
        odds_G[total_G < _RARE] = 0
        sums_N = np.bincount(
            self._text_E, weights=odds_G[self._gram_E], minlength=len(self._num_G_of_text)
        )
        return np.asarray(sums_N / np.sqrt(self._num_G_of_text))


class Traits:
    """Logistic regression with a ridge, on numbers and their squares."""

    def __init__(self, features_NF: Floats) -> None:
        self._features_NF = features_NF

    def scores(self, is_learnt_N: Bools, is_test_N: Bools) -> Floats:
        """Return log-odds of every unit, learnt from some, without the intercept.

        The intercept is the share of labels among those learnt from, and leans against the rest.
        """
        learnt = self._features_NF[is_learnt_N]
        spread_F = learnt.std(axis=0)
        spread_F[spread_F == 0] = 1
        # far values are cut off, so that one unit never decides
        whole = np.clip((self._features_NF - learnt.mean(axis=0)) / spread_F, -_FAR, _FAR)
        whole = np.concatenate([whole, whole**2], axis=1)
        whole -= whole[is_learnt_N].mean(axis=0)
        weights_F = ridge_logistic(whole[is_learnt_N], is_test_N[is_learnt_N])
        return np.asarray(whole @ weights_F)


def ridge_logistic(features_NF: Floats, is_test_N: Bools) -> Floats:
    """Return the weights w that minimise the log-loss + |w|^2 / 2, with a free intercept.

    Newton's steps (iteratively reweighted least squares), halved where they overshoot.

    Args:
        features_NF: centred and of unit size.
        is_test_N: the labels.

    Returns:
        float64[F], without the intercept.

    Source: Hastie, Tibshirani and Friedman 2009, section 4.4.1, with a ridge.
    """
    design = np.concatenate([features_NF, np.ones((len(features_NF), 1))], axis=1)
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[-1] = 0
    weights = np.zeros(design.shape[1])
    loss = _loss(weights, design, is_test_N, ridge)
    for _ in range(_MOST_STEPS):
        chance_N = 0.5 * (1 + np.tanh(design @ weights / 2))
        slope = design.T @ (chance_N - is_test_N) + ridge * weights
        curve = (design.T * (chance_N * (1 - chance_N))) @ design + np.diag(ridge)
        curve[-1, -1] += 1e-12
        step = np.linalg.solve(curve, slope)
        while (
            _loss(weights - step, design, is_test_N, ridge) > loss and _largest(step) > _SMALL_STEP
        ):
            step /= 2
        weights = weights - step
        loss = _loss(weights, design, is_test_N, ridge)
        if _largest(step) < _SMALL_STEP:
            break
    return weights[:-1]


def _largest(step: Floats) -> float:
    return float(np.abs(step).max())


def _loss(weights: Floats, design: Floats, is_test_N: Bools, ridge: Floats) -> float:
    odds_N = design @ weights
    loss = np.logaddexp(0, odds_N).sum() - odds_N[is_test_N].sum()
    return float(loss + 0.5 * (ridge * weights**2).sum())


def _grams(text: str) -> NDArray[np.uint64]:
    """Return the distinct runs of 1 to 4 characters of a text, hashed to 64 bits.

    >>> len(_grams("aaa"))
    10
    """
    letters = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), np.uint32)
    hashed = np.zeros(len(letters), np.uint64)
    found = []
    for length in range(1, min(_MOST_LETTERS, len(letters)) + 1):
        at = slice(length - 1, None)
        hashed = (hashed[: len(letters) - length + 1] + letters[at] + np.uint64(1)) * _MULTIPLIER
        hashed = hashed ^ (hashed >> np.uint64(29))
        found.append(hashed)
    return np.unique(np.concatenate(found))
