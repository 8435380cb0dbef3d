"""Triage without torch: the scores by hand, and the stage with a planted model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from stages.contract import Out, StageError
from stages.images import losses
from stages.images.triage import STAGE, TriageConfig, TriageMethod, TriageTools, triage
from stages.methods import triage_carlini, triage_chen, triage_ren, triage_webster, triage_wen
from stages.methods.table import METHODS
from stages.methods.triage_prediction import (
    Levels,
    Predicts,
    first_step,
    guidance_of,
    noise_of,
    space_of,
)
from stages.models.attention_maps import Maps
from stages.models.conditions import Ask, Wants
from stages.models.files import ModelRef
from stages.models.levels import Shown
from stages.models.listener import Heard
from stages.pixels import encode_png
from stages.prompt_ids import prompt_id_of
from stages.tables import PROMPTS, SIGNALS

MODEL = ModelRef(path="somewhere")
TWINS: tuple[Predicts, ...] = ("noise", "velocity", "image", "flow")


def row(*values: float) -> Any:
    """One seed at one evaluation, its numbers along the width: [T = 1, N = 1, C = 1, H = 1, W]."""
    return np.array(values, float).reshape(1, 1, 1, 1, -1)


# the twins: one model, four ways to say what it predicts


def levels(predicts: Predicts, alphas: Sequence[float]) -> Levels:
    alphas_T = np.array(alphas)
    sigmas_T = 1 - alphas_T if predicts == "flow" else np.sqrt(1 - alphas_T**2)
    return Levels(predicts, alphas_T, sigmas_T)


def twin(noise: Any, noisy: Any, at: Levels) -> Any:
    """What a network says that means this noise, from the definitions of v and u alone."""
    alphas, sigmas = (each[:, None, None, None, None] for each in (at.alphas_T, at.sigmas_T))
    image = (noisy - sigmas * noise) / alphas
    said = {
        "noise": noise,
        "velocity": alphas * noise - sigmas * image,
        "image": image,
        "flow": noise - image,
    }
    return said[at.predicts]


@pytest.mark.parametrize("predicts", TWINS)
@given(
    seed=st.integers(0, 999),
    alphas=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=3),
)
def test_a_model_and_its_twin_get_the_same_noise_and_guidance(
    predicts: Predicts, seed: int, alphas: list[float]
) -> None:
    random = np.random.default_rng(seed)
    at = levels(predicts, alphas)
    noisy, with_it, without = random.standard_normal((3, len(alphas), 2, 1, 2, 2))
    said, said_without = twin(with_it, noisy, at), twin(without, noisy, at)
    np.testing.assert_allclose(noise_of(said, noisy, at), with_it, rtol=1e-6, atol=1e-9)
    for space, factor_T in (("noise", np.ones(len(alphas))), ("velocity", 1 / np.array(alphas))):
        found = guidance_of(said, said_without, at, space)
        expected = (with_it - without) * factor_T[:, None, None, None, None]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_from_pure_noise_only_velocities_can_be_compared() -> None:
    flow = levels("flow", [0.0, 0.5])
    assert space_of(flow) == "velocity"
    assert space_of(levels("flow", [0.25, 0.5])) == "noise"
    said = np.concatenate([row(2, 0), row(2, 0)])
    np.testing.assert_array_equal(guidance_of(said, 0 * said, flow, "velocity"), said)
    assert guidance_of(said, 0 * said, flow, "noise")[0].max() == 0, "says nothing"
    with pytest.raises(ValueError, match=r"was shown pure noise \(alpha = 0\)"):
        guidance_of(said, 0 * said, levels("noise", [0.0, 0.5]), "velocity")


# Wen


def test_magnitude_is_the_mean_of_the_norms_of_the_difference() -> None:
    guidance = np.array([[[3, 4], [5, 12]], [[0, 0], [0, 1]]], float)[:, :, None, None]
    assert triage_wen.noise_prediction_magnitude(guidance) == (5 + 13 + 0 + 1) / 4


def test_magnitude_is_neither_a_difference_of_norms_nor_a_norm_of_means() -> None:
    one, other = row(3, 4), row(-3, -4)
    at = levels("noise", [0.5])
    guidance = guidance_of(one, other, at, "noise")
    assert triage_wen.noise_prediction_magnitude(guidance) == 10, "the norms are both 5"
    opposite = np.concatenate([guidance, -guidance], axis=1)
    assert triage_wen.noise_prediction_magnitude(opposite) == 10, "the mean of both is 0"


# Webster


def test_one_step_is_the_squared_way_of_an_euler_step() -> None:
    with_it, without = np.full((1, 1, 1, 2), 1.0), np.full((1, 1, 1, 2), 0.5)
    guided = 0.5 + 7.5 * 0.5
    z0 = np.array([1.0, -2.0])
    z1 = z0 + (0 - 14.6) * guided
    expected = np.square(z0 - z1).mean()
    assert triage_webster.one_step(with_it, without, 14.6) == pytest.approx(expected)


def test_one_step_takes_the_mean_of_seeds_where_the_published_code_keeps_the_last() -> None:
    zero, said = np.zeros((2, 1, 1, 1)), np.array([1.0, 3.0]).reshape(2, 1, 1, 1)
    assert triage_webster.one_step(said, zero, 1.0, guidance=1.0) == 5


@pytest.mark.parametrize("predicts", ["noise", "velocity", "image"])
def test_one_step_is_the_same_for_twins(predicts: Predicts) -> None:
    random = np.random.default_rng(4)
    noisy, with_it, without = random.standard_normal((3, 2, 1, 1, 2, 2))
    at = levels(predicts, [0.1, 0.6])
    found = first_step(twin(with_it, noisy, at), twin(without, noisy, at), noisy, at)
    assert found[2] == pytest.approx(np.sqrt(1 - 0.1**2) / 0.1)
    expected = triage_webster.one_step(with_it[0], without[0], found[2])
    assert triage_webster.one_step(*found) == pytest.approx(expected)


def test_one_step_of_flow_goes_the_whole_way_at_once() -> None:
    found = first_step(row(2, 0), row(1, 0), row(9, 9), levels("flow", [0.0]))
    guided = np.array([1 + 7.5 * (2 - 1), 0])
    assert triage_webster.one_step(*found) == pytest.approx(np.square(guided).mean())


def test_one_step_from_pure_noise_goes_infinitely_far() -> None:
    found = first_step(row(2, 0), row(1, 0), row(9, 9), levels("velocity", [0.0]))
    with pytest.raises(ValueError, match=r"sigma_max is inf, expected a positive number"):
        triage_webster.one_step(*found)


# Carlini


def test_loss_is_a_sum_over_the_image_and_a_mean_over_draws() -> None:
    noise = np.array([[[1, 2], [3, 0]], [[0, 1], [1, 0]]], float)[:, :, None, None]
    predicted = np.ones_like(noise)
    losses = triage_carlini.denoising_loss(noise, predicted)
    assert losses.tolist() == [((0 + 1) + (4 + 1)) / 2, ((1 + 0) + (0 + 1)) / 2]
    assert triage_carlini.loss(noise, predicted) == 2


def test_strong_loss_averages_draws_and_flips() -> None:
    losses = np.array([[[1, 3], [5, 7]], [[0, 0], [0, 4]]], float)
    assert triage_carlini.strong(losses).tolist() == [4, 1]


def test_lira_is_the_log_ratio_of_two_gaussians_of_the_example_itself() -> None:
    losses = np.array([[1, 10], [3, 14], [6, 20], [10, 22]], float)
    member = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], bool)
    observed = np.array([2.5, 21.0])
    found = triage_carlini.lira(losses, member, observed)
    expected = [
        norm.logpdf(2.5, 2, 1) - norm.logpdf(2.5, 8, 2),
        norm.logpdf(21, 21, 1) - norm.logpdf(21, 12, 2),
    ]
    np.testing.assert_allclose(found, expected)
    spread = np.sqrt((1 + 1) / 2), np.sqrt((4 + 4) / 2)
    pooled = norm.logpdf(2.5, 2, spread[0]) - norm.logpdf(2.5, 8, spread[1])
    np.testing.assert_allclose(
        triage_carlini.lira(losses, member, observed, pooled=True)[0], pooled
    )


def test_lira_finds_members_whose_losses_are_hidden_by_how_hard_they_are() -> None:
    random = np.random.default_rng(5)
    hardness = random.normal(100, 30, 400)
    member = random.random((65, 400)) < 0.5
    losses = hardness - 2 * member + random.standard_normal((65, 400))
    scores = triage_carlini.lira(losses[:-1], member[:-1], losses[-1])

    def auc(score: Any) -> float:
        return float(np.mean(score[member[-1], None] > score[None, ~member[-1]]))

    assert auc(-losses[-1]) < 0.6, "the loss alone says little"
    assert auc(scores) > 0.9


@pytest.mark.parametrize(
    ("losses", "member", "observed", "message"),
    [
        ([[1], [2], [3]], [[1], [1], [0]], [1], "1 shadow models on one side, expected 2 or more"),
        ([[1], [2], [3], [np.nan]], [[1], [1], [0], [0]], [1], "must be finite"),
        ([[1], [2], [3], [4]], [[1], [1], [0], [0]], [1, 2], r"expected \[S, X\], \[S, X\]"),
    ],
)
def test_lira_without_enough_shadows_is_refused(
    losses: Any, member: Any, observed: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        triage_carlini.lira(np.array(losses, float), np.array(member, bool), np.array(observed))


# Ren


def test_layer_entropy_is_that_of_the_first_step_and_of_one_layer() -> None:
    attention = np.zeros((2, 2, 3, 4))
    attention[0, :, 1] = [[0.25] * 4, [1, 0, 0, 0]]
    found = triage_ren.layer_entropy(attention, layer=1)
    assert found == pytest.approx((np.log(4) + 0) / 2)
    with pytest.raises(ValueError, match="layer 3: the network has cross-attention layers 0 to 2"):
        triage_ren.layer_entropy(attention)


def test_entropy_of_all_steps_adds_the_growth_over_the_summary_tokens() -> None:
    # two layers whose mean counts: [1, 0, 0] then [0.5, 0.25, 0.25], [0, 0.5, 0.5]
    attention = np.array(
        [[[1, 0, 0], [1, 0, 0]], [[1, 0, 0], [0, 0.5, 0.5]], [[0, 1, 0], [0, 0, 1]]], float
    )[:, None]
    whole = [0.5 * np.log(2) + 0.5 * np.log(4), np.log(2)]
    summary = [0.5 * np.log(4), np.log(2)]
    expected = np.mean(whole) + np.mean(summary) - 0
    found = triage_ren.attention_entropy(attention, end=1, last=2)
    assert found == pytest.approx(expected)
    with pytest.raises(ValueError, match="end token 3: expected a token of 0 to 2"):
        triage_ren.attention_entropy(attention, end=3)


# Chen


def test_bright_ending_of_an_even_mask_is_the_magnitude() -> None:
    guidance = np.random.default_rng(6).standard_normal((3, 2, 4, 4, 6))
    even = np.full((2, 2, 3), 0.07)
    found = triage_chen.bright_ending(guidance, even)
    assert found == pytest.approx(triage_wen.noise_prediction_magnitude(guidance))


def test_bright_ending_looks_where_the_end_token_glows() -> None:
    guidance = np.concatenate([row(3, 4, 8, 6), row(0, 0, 5, 0)])
    found = triage_chen.bright_ending(guidance, np.array([[[0.0, 0.5]]]))
    assert found == pytest.approx((np.hypot(4, 3) / 0.25 + 2.5 / 0.25) / 2)


@pytest.mark.parametrize(
    ("mask", "message"),
    [([[[1.0, 1.0, 1.0]]], "a mask of 1 x 3 does not fit"), ([[[0.0]]], "gets no attention")],
)
def test_a_mask_that_says_nothing_is_refused(mask: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        triage_chen.bright_ending(row(1, 2, 3, 4), np.array(mask))


# the table of methods


def test_every_score_has_its_line_and_can_be_loaded() -> None:
    lines = {name: each for name, each in METHODS.items() if each.compares == "triage"}
    assert {"wen", "one_step", "loss", "lira", "ren_layer", "bright_ending"} <= set(lines)
    for name, each in lines.items():
        assert callable(each.load()), name
        assert each.verdict is None, "triage never makes a verdict"
        assert each.closer == ("smaller" if name == "loss" else "larger")


# the stage, with a model whose guidance is the length of the caption


class FakeSignals:
    """Says v = length of the caption x number of the evaluation; never touches torch."""

    def __init__(self, wants: Wants = "text", broken: str = "") -> None:
        self.wants: Wants = wants
        self.broken = broken
        self.calls: list[Mapping[str, Any]] = []

    def hear(
        self, asks: Sequence[Ask], *, evaluations: int = 1, batch: int = 1, attention: bool = False
    ) -> Heard:
        self.calls.append({"asks": list(asks), "evaluations": evaluations, "batch": batch})
        numbers = np.arange(1, evaluations + 1)
        shape = (evaluations, len(asks), 1, 2, 2)
        said = np.broadcast_to(numbers[:, None, None, None, None], shape) * 0.5
        said = said * len(asks[0].text or "none")
        if asks[0].text and asks[0].text == self.broken:
            said = said * np.nan
        zeros = np.zeros(shape, np.float32)
        even = np.full((evaluations, len(asks), 4, 8), 1 / 8, np.float32)
        heard = Heard(
            Shown("noise", np.full(evaluations, 0.6), np.full(evaluations, 0.8)),
            zeros,
            said.astype(np.float32),
            zeros,
        )
        if not attention:
            return heard
        ones = np.ones((len(asks), 1, 1), np.float32)
        return heard._replace(maps=Maps(even, ones, np.full(len(asks), 3)))


def tools(signals: Any, *methods: TriageMethod, **knobs: Any) -> TriageTools:
    chosen = {"methods": methods} if methods else {}
    return TriageTools(signals, "m" * 64, TriageConfig(model=MODEL, **chosen, **knobs))


def prompts(*texts: str | None, samples: int = 2) -> pa.Table:
    rows = [
        {
            "prompt_id": prompt_id_of(text=text),
            "sample": sample,
            "text": text,
            "class_label": None,
        }
        for text in texts
        for sample in range(samples)
    ]
    names = STAGE.reads["prompts"].names
    return pa.Table.from_pylist(rows, pa.schema([PROMPTS.schema.field(name) for name in names]))


def test_each_prompt_gets_one_row_and_two_evaluations_by_default() -> None:
    out = triage({"prompts": prompts("cat", "horse")}, tools(FakeSignals()))
    rows = SIGNALS.check(out.rows).to_pylist()
    assert [each["prompt_id"] for each in rows] == [
        prompt_id_of(text=text) for text in ("cat", "horse")
    ]
    for each, length in zip(rows, (3, 5), strict=True):
        assert (each["method"], each["steps"], each["seeds"]) == ("wen", 1, 1)
        assert each["evaluations"] == 2
        # the norm of four equal numbers is twice the number
        assert each["value"] == pytest.approx(length)


def test_methods_of_the_same_steps_are_heard_in_one_pass() -> None:
    signals = FakeSignals()
    asked = [
        TriageMethod(name="wen", steps=3, seeds=4),
        TriageMethod(name="wen", steps=3),
        TriageMethod(name="bright_ending", steps=3, seeds=2),
        TriageMethod(name="ren_layer"),
    ]
    out = triage({"prompts": prompts("cat")}, tools(signals, *asked, batch=3))
    found = [(call["evaluations"], len(call["asks"]), call["batch"]) for call in signals.calls]
    assert found == [(3, 4, 3), (1, 1, 1)]
    rows = SIGNALS.check(out.rows).to_pylist()
    assert [each["evaluations"] for each in rows] == [24, 6, 12, 2]
    assert [each["value"] for each in rows] == pytest.approx([6, 6, 6, np.log(8)])


def test_all_prompts_share_their_noise_and_parts_can_be_cut() -> None:
    signals = FakeSignals()
    given_tools = tools(signals, TriageMethod(seeds=3))
    whole = triage({"prompts": prompts("cat", "horse")}, given_tools)
    seeds = [[ask.seed for ask in call["asks"]] for call in signals.calls]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 3
    cut = [triage({"prompts": prompts(text)}, given_tools).rows for text in ("cat", "horse")]
    assert whole.rows.equals(pa.concat_tables(cut))
    triage({"prompts": prompts("cat")}, tools(signals, TriageMethod(seeds=3), noise_seed=2))
    assert not set(seeds[0]) & {ask.seed for ask in signals.calls[-1]["asks"]}


def test_later_blocks_of_a_prompt_are_not_asked_again() -> None:
    signals = FakeSignals()
    out = triage({"prompts": prompts("cat", samples=4)[1:]}, tools(signals))
    assert SIGNALS.check(out.rows).num_rows == 0
    assert not signals.calls


def test_a_score_that_is_not_finite_is_rejected_and_the_others_go_on() -> None:
    given_tools = tools(FakeSignals(broken="cat"))
    out = triage({"prompts": prompts("cat", "horse")}, given_tools)
    assert out.rows["prompt_id"].to_pylist() == [prompt_id_of(text="horse")]
    (rejected,) = out.rejected
    assert rejected.code == "not-finite"
    assert rejected.key == f"{prompt_id_of(text='cat')} wen"


def test_a_prompt_that_the_model_cannot_take_is_refused() -> None:
    with pytest.raises(StageError, match=r"the model wants class_label, but prompt .* gives text"):
        triage({"prompts": prompts("cat")}, tools(FakeSignals("class_label")))
    with pytest.raises(StageError, match=r"the model wants text, but prompt .* gives nothing"):
        triage({"prompts": prompts(None)}, tools(FakeSignals()))


def test_a_method_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = TriageMethod(name="ren_layer")
    monkeypatch.setattr(triage_ren.layer_entropy, "__defaults__", (9,))
    with pytest.raises(StageError, match="ren_layer: layer 9: the network has"):
        triage({"prompts": prompts("cat")}, tools(FakeSignals(), asked))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TriageMethod(name="when"), "name: expected one of wen, .*, got 'when'"),
        (lambda: TriageMethod(name="l2"), "name: expected one of"),
        (lambda: TriageMethod(name="loss"), "name: expected one of"),
        (lambda: TriageMethod(steps=0), "steps: expected 1 or more, got 0"),
        (lambda: TriageMethod(seeds=0), "seeds: expected 1 or more, got 0"),
        (lambda: TriageConfig(model=MODEL, methods=()), "expected one or more, got none"),
        (lambda: TriageConfig(model=MODEL, methods=(TriageMethod(),) * 2), "got one twice"),
        (lambda: TriageConfig(model=MODEL, guidance=1.0), r"guidance: .* above 1, got 1\.0"),
        (lambda: TriageConfig(model=MODEL, batch=0), "batch: expected 1 or more, got 0"),
        (lambda: TriageConfig(model=MODEL, sampler_steps=0), "sampler_steps: expected 1 or more"),
    ],
)
def test_impossible_knobs_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# the losses stage, with models that miss the noise by the grey of the top left corner


class FakeDenoiser:
    """Misses every number of the noise by the red of the first pixel over 100, times `factor`."""

    def __init__(self, factor: float = 1.0, wants: Wants = "text") -> None:
        self.factor = factor
        self.wants: Wants = wants
        self.asked: list[tuple[list[int], int, int]] = []
        self.given: list[Ask] = []

    def latents_of(self, images: Sequence[Any]) -> Any:
        reds = [rgb_HWC[0, 0, 0] / 100 for rgb_HWC in images]
        return np.broadcast_to(np.array(reds)[:, None, None, None], (len(images), 1, 2, 2))

    def probe(self, asks: Sequence[Ask], latents: Any, time: int, *, batch: int) -> Any:
        self.asked.append(([ask.seed for ask in asks], time, batch))
        self.given += asks
        noise = np.random.default_rng(asks[0].seed).standard_normal(latents.shape)
        missed = noise + self.factor * latents * (time / 100)
        shown = Shown("noise", np.array([0.6]), np.array([0.8]))
        return Heard(shown, noise[None], missed[None], missed[None][:, :0]), noise


class FakeImages:
    """Images by id: red on the left, another red on the right."""

    def __init__(self, **reds: tuple[int, int]) -> None:
        self.reds = reds

    def take(self, ids: Sequence[str], names: Sequence[str]) -> pa.Table:
        rows = []
        for each in ids:
            rgb_HWC = np.zeros((2, 2, 3), np.uint8)
            rgb_HWC[:, 0, 0], rgb_HWC[:, 1, 0] = self.reds[each]
            rows.append({"sha256": each, "bytes": encode_png(rgb_HWC)})
        return pa.Table.from_pylist(rows).select(names)

    def read(self, names: Sequence[str]) -> pa.Table:
        raise NotImplementedError(names)


def heard(asked: pa.Table, model: Any, *shadows: tuple[Any, set[str]], **knobs: Any) -> Out:
    panel = losses.Panel(
        [row for row in asked.to_pylist() if row["sample"] == 0 and row["work_id"]],
        FakeImages(dim=(100, 200), grey=(50, 0), broken=(0, 0)),
        [frozenset(members) for _, members in shadows],
        "m" * 64,
        losses.LossesConfig(model=MODEL, **knobs),
    )
    return losses.heard((model, *(each for each, _ in shadows)), panel)


def of_works(**works: str | None) -> pa.Table:
    rows = [
        {
            "prompt_id": prompt_id_of(text=text),
            "sample": sample,
            "text": text,
            "class_label": None,
            "work_id": work,
        }
        for text, work in works.items()
        for sample in range(2)
    ]
    names = losses.STAGE.reads["prompts"].names
    return pa.Table.from_pylist(rows, pa.schema([PROMPTS.schema.field(name) for name in names]))


def test_the_loss_of_the_work_is_a_mean_over_times_noises_and_flips() -> None:
    model = FakeDenoiser()
    asked = of_works(cat="dim", dog=None)
    out = heard(asked, model, times=(100, 200), seeds=3, flips=True, batch=4)
    (found,) = SIGNALS.check(out.rows).to_pylist()
    # four numbers, each missed by 1 and, flipped, by 2; twice that at the later time
    expected = np.mean([4 * 1**2, 4 * 2**2, 4 * 2**2, 4 * 4**2])
    assert found["value"] == pytest.approx(expected)
    assert (found["method"], found["steps"], found["seeds"]) == ("loss", 4, 3)
    assert found["evaluations"] == sum(len(seeds) for seeds, _, _ in model.asked) == 12
    assert [(time, batch) for _, time, batch in model.asked] == [(100, 4), (200, 4)]
    seeds = model.asked[0][0]
    assert seeds[:3] == seeds[3:], "a mirror image is shown with the same noise"
    assert len(set(seeds)) == 3


def test_shadow_models_turn_the_loss_into_a_likelihood_ratio() -> None:
    factors = {"in": (0.9, 1.1), "out": (1.9, 2.1)}
    shadows = [
        (FakeDenoiser(factor), {"dim"} if side == "in" else {"other"})
        for side, both in factors.items()
        for factor in both
    ]
    out = heard(of_works(cat="dim", dog="grey"), FakeDenoiser(1.0), *shadows, seeds=1)
    rows = SIGNALS.check(out.rows).to_pylist()
    assert [each["method"] for each in rows] == ["loss", "lira", "loss"]
    inside, outside = (np.array([4 * factor**2 for factor in both]) for both in factors.values())
    expected = norm.logpdf(4, inside.mean(), inside.std()) - norm.logpdf(
        4, outside.mean(), outside.std()
    )
    assert rows[1]["value"] == pytest.approx(expected, rel=1e-6)
    assert rows[1]["value"] > 0, "it looks like those that knew the work"
    assert [each["evaluations"] for each in rows] == [1, 5, 1]
    (rejected,) = out.rejected
    assert rejected.code == "few-shadows"
    assert "0 shadow models on one side, expected 2 or more" in rejected.message


def test_a_few_shadow_models_say_how_losses_spread_over_all_works_together() -> None:
    factors = ((0.9, True), (1.1, True), (1.9, False), (2.3, False))
    shadows = [(FakeDenoiser(each), {"dim", "grey"} if known else set()) for each, known in factors]
    rows = heard(of_works(cat="dim", dog="grey"), FakeDenoiser(1.6), *shadows, seeds=1).rows
    # four numbers, each missed by the factor times the grey: 1 of the one work, 0.5 of the other
    losses_SX = np.array([[4 * factor**2, factor**2] for factor, _ in factors])
    member_SX = np.array([[known] * 2 for _, known in factors])
    observed_X = np.array([4 * 1.6**2, 1.6**2])
    values = [row["value"] for row in rows.to_pylist() if row["method"] == "lira"]
    together, alone = (
        triage_carlini.lira(losses_SX, member_SX, observed_X, pooled=pooled).tolist()
        for pooled in (True, False)
    )
    assert values == pytest.approx(together, rel=1e-5)
    assert values != pytest.approx(alone, rel=0.1)


def test_who_wants_nothing_is_asked_about_the_work_alone() -> None:
    model = FakeDenoiser(wants="nothing")
    out = heard(of_works(cat="dim"), model)
    assert [row["method"] for row in out.rows.to_pylist()] == ["loss"]
    assert {(ask.text, ask.class_label) for ask in model.given} == {(None, None)}


def test_a_loss_that_is_not_finite_is_rejected() -> None:
    out = heard(of_works(cat="dim"), FakeDenoiser(float("inf")))
    assert SIGNALS.check(out.rows).num_rows == 0
    assert [each.code for each in out.rejected] == ["not-finite"]


def test_losses_refuse_what_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"the model wants class_label, but prompt .* gives text"):
        heard(of_works(cat="dim"), FakeDenoiser(wants="class_label"))
    with pytest.raises(ValueError, match="times: expected one or more, each 0 or more"):
        losses.LossesConfig(model=MODEL, times=())
    with pytest.raises(ValueError, match="seeds: expected 1 or more, got 0"):
        losses.LossesConfig(model=MODEL, seeds=0)
    members = tmp_path / "members.txt"
    with pytest.raises(StageError, match=r"members\.txt: cannot be read"):
        losses._members(losses.Shadow(model=MODEL, members=str(members)))
    members.write_text("ab" * 32 + "\nimage.png\n")
    with pytest.raises(StageError, match=r"expected a sha256 in hex a line, got image\.png"):
        losses._members(losses.Shadow(model=MODEL, members=str(members)))
    members.write_text("ab" * 32 + "\n")
    found = losses._members(losses.Shadow(model=MODEL, members=str(members)))
    assert found == {"ab" * 32}
