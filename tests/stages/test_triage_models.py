"""Signals of tiny models, one of each class, against plain calls of diffusers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pyarrow as pa
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor

from stages.contract import Kit, StageError
from stages.images import losses
from stages.images.triage import STAGE, TriageConfig, TriageMethod, TriageTools, triage
from stages.methods import triage_webster
from stages.methods.triage_prediction import Levels, first_step, guidance_of, space_of
from stages.methods.triage_wen import noise_prediction_magnitude
from stages.models.conditions import Ask
from stages.models.diffusion import Knobs
from stages.models.files import ModelRef, model_digest
from stages.models.layout import ModelError
from stages.models.levels import levels_of
from stages.models.signals import Signals, open_signals
from stages.pixels import encode_png
from stages.prompt_ids import prompt_id_of
from stages.tables import PROMPTS, SIGNALS
from tests.stages import tiny_models

DEMO = Path(__file__).parents[2] / "examples" / "demo" / "model"
STEPS = 3
NAMES = ("ddpm", "dit", "flux", "sd1", "sd2", "sd3")
CAPTION = "two dogs"
ALL = tuple(
    TriageMethod(name=name, steps=steps)
    for name, steps in (("wen", STEPS), ("wen_velocity", STEPS), ("one_step", 1))
)
WITH_ATTENTION = (*ALL, TriageMethod(name="bright_ending", steps=STEPS))

# diffusers makes NumPy arrays of torch tensors; NumPy 2 asks torch for a keyword it lacks
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in NAMES:
        tiny_models.save(name, folder / name)
    return folder


def opened(folder: Path, **knobs: Any) -> Signals:
    size = {"height": 32, "width": 32} if folder.name == "flux" else {}
    return open_signals(folder, Knobs(**({"steps": STEPS} | size | knobs)), Kit())


@pytest.fixture(scope="module")
def signals(models: Path) -> dict[str, Signals]:
    return {name: opened(models / name) for name in NAMES}


def ask(model: Signals, seed: int = 5) -> Ask:
    text = CAPTION if model.wants == "text" else None
    return Ask(seed, text, 7 if model.wants == "class_label" else None)


def noise(seed: int = 5, shape: tuple[int, ...] = (1, 4, 8, 8)) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def prompts(text: str | None = CAPTION, class_label: int | None = None) -> Any:
    names = STAGE.reads["prompts"].names
    row = {
        "prompt_id": prompt_id_of(text=text, class_label=class_label),
        "sample": 0,
        "phase": "discovery",
        "block": 0,
        "seed": 0,
        "text": text,
        "class_label": class_label,
        "origin": "file",
    }
    return PROMPTS.of_rows([row]).select(names)


def scores(model: Signals, methods: Sequence[TriageMethod] = ALL, **asked: Any) -> list[float]:
    config = TriageConfig(model=ModelRef(path="."), methods=tuple(methods))
    out = triage({"prompts": prompts(**asked)}, TriageTools(model, "m", config))
    found: list[float] = out.rows["value"].to_pylist()
    return found


# what is heard is what the network says


@pytest.mark.parametrize("name", ["sd1", "sd2"])
def test_predictions_are_those_of_a_plain_loop(
    models: Path, signals: dict[str, Signals], name: str
) -> None:
    pipe = diffusers.DiffusionPipeline.from_pretrained(models / name)
    heard = signals[name].hear([Ask(5, CAPTION)], evaluations=2)
    with torch.no_grad():
        with_it, without = pipe.encode_prompt(CAPTION, "cpu", 1, True)
        latents = noise()
        pipe.scheduler.set_timesteps(STEPS)
        for number, time in enumerate(pipe.scheduler.timesteps[:2]):
            said = pipe.unet(latents, time, with_it).sample
            said_without = pipe.unet(latents, time, without).sample
            np.testing.assert_allclose(heard.noisy_TBCHW[number], latents, atol=1e-4)
            np.testing.assert_allclose(heard.with_prompt_TBCHW[number], said, atol=1e-4)
            np.testing.assert_allclose(heard.without_TBCHW[number], said_without, atol=1e-4)
            square = float(pipe.scheduler.alphas_cumprod[time])
            assert heard.shown.alphas_T[number] == pytest.approx(square**0.5)
            guided = said_without + 7.5 * (said - said_without)
            latents = pipe.scheduler.step(guided, time, latents).prev_sample


def test_a_dit_says_its_class_first_and_its_variances_are_left_out(
    models: Path, signals: dict[str, Signals]
) -> None:
    pipe = diffusers.DiffusionPipeline.from_pretrained(models / "dit")
    pipe.scheduler.set_timesteps(STEPS)
    told = {"timestep": pipe.scheduler.timesteps[:1]}
    with torch.no_grad():
        expected = [
            pipe.transformer(noise(), class_labels=torch.tensor([label]), **told).sample[:, :4]
            for label in (7, 1000)
        ]
    heard = signals["dit"].hear([Ask(5, class_label=7)])
    np.testing.assert_allclose(heard.with_prompt_TBCHW[0], expected[0], atol=1e-5)
    np.testing.assert_allclose(heard.without_TBCHW[0], expected[1], atol=1e-5)
    assert (expected[0] - expected[1]).abs().max() > 0.01, "the test could not fail"


def test_a_flow_model_is_shown_noise_first_and_less_of_it_later(
    signals: dict[str, Signals],
) -> None:
    heard = signals["sd3"].hear([Ask(5, CAPTION)], evaluations=2)
    np.testing.assert_array_equal(heard.noisy_TBCHW[0], noise())
    assert heard.shown.predicts == "flow"
    assert heard.shown.alphas_T[0] == 0
    np.testing.assert_allclose(heard.shown.alphas_T + heard.shown.sigmas_T, 1)
    assert 0 < heard.shown.alphas_T[1] < 1


@pytest.mark.parametrize("name", ["sd1", "dit", "sd3"])
def test_rows_depend_on_neither_neighbours_nor_order(
    signals: dict[str, Signals], name: str
) -> None:
    model = signals[name]
    rows = [ask(model, seed) for seed in (1, 2, 3)]
    together = model.hear(rows, evaluations=2, batch=2)
    back = model.hear(rows[::-1], evaluations=2, batch=2)
    alone = model.hear(rows[1:2], evaluations=2, batch=2)
    for heard, place in ((back, slice(None, None, -1)), (alone, slice(1, 2))):
        np.testing.assert_array_equal(heard.with_prompt_TBCHW, together.with_prompt_TBCHW[:, place])
        np.testing.assert_array_equal(heard.without_TBCHW, together.without_TBCHW[:, place])


@contextmanager
def counted(model: Signals) -> Iterator[dict[str, int]]:
    counts = {"evaluations": 0, "decoded": 0}
    pipe = model.sampler.pipe

    def evaluated(_: Any, args: Any, __: Any) -> None:
        counts["evaluations"] += len(args[0])

    def decoded(*_: Any) -> None:
        counts["decoded"] += 1

    hooks = [
        pipe.unet.register_forward_hook(evaluated),
        pipe.vae.decoder.register_forward_hook(decoded),
    ]
    # the hooks of the listener end the call, so that these must come first
    for module, hook in zip((pipe.unet, pipe.vae.decoder), hooks, strict=True):
        module._forward_hooks.move_to_end(hook.id, last=False)
    try:
        yield counts
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("method", [TriageMethod(), TriageMethod(steps=2, seeds=3)])
def test_the_evaluations_of_the_table_are_those_of_the_network(
    signals: dict[str, Signals], method: TriageMethod
) -> None:
    config = TriageConfig(model=ModelRef(path="."), methods=(method,))
    with counted(signals["sd1"]) as counts:
        out = triage({"prompts": prompts()}, TriageTools(signals["sd1"], "m", config))
    assert counts == {"evaluations": out.rows["evaluations"][0].as_py(), "decoded": 0}


def test_a_model_that_was_heard_draws_as_before(signals: dict[str, Signals]) -> None:
    model = signals["sd1"]
    before = model.sampler.draw([Ask(5, CAPTION)]).rgb_BHWC
    model.hear([Ask(5, CAPTION)], attention=True)
    model.probe([Ask(5, CAPTION)], noise().numpy(), 100)
    np.testing.assert_array_equal(model.sampler.draw([Ask(5, CAPTION)]).rgb_BHWC, before)
    hooked = [each for each in model.sampler.pipe.unet.modules() if each._forward_hooks]
    assert not hooked


# twins: a model that says velocity instead of noise gets the same scores


@contextmanager
def saying_velocity(model: Signals) -> Iterator[None]:
    """Let a model of noise say v = alpha eps - sigma x_0, and its scheduler believe so."""
    pipe = model.sampler.pipe
    own = pipe.scheduler
    pipe.scheduler = type(own).from_config(own.config, prediction_type="v_prediction")

    def reparametrise(_: Any, args: Any, output: Any) -> Any:
        square = own.alphas_cumprod[args[1]]
        alpha, sigma = square**0.5, (1 - square) ** 0.5
        image = (args[0] - sigma * output[0]) / alpha
        return (alpha * output[0] - sigma * image,)

    hook = pipe.unet.register_forward_hook(reparametrise)
    try:
        yield
    finally:
        hook.remove()
        pipe.scheduler = own


def test_a_network_of_noise_and_its_twin_of_velocity_get_the_same_scores(
    signals: dict[str, Signals],
) -> None:
    model = signals["sd1"]
    of_noise = scores(model, WITH_ATTENTION)
    with saying_velocity(model):
        heard = model.hear([Ask(5, CAPTION)])
        assert heard.shown.predicts == "velocity"
        of_velocity = scores(model, WITH_ATTENTION)
    np.testing.assert_allclose(of_velocity, of_noise, rtol=1e-3)
    assert len(set(of_noise)) == len(WITH_ATTENTION), "the scores are different things"


# Webster: the score without a sampler is what a sampler of one step gives


def one_step(model: Signals) -> float:
    heard = model.hear([Ask(5, CAPTION)])
    said = heard.with_prompt_TBCHW, heard.without_TBCHW
    return triage_webster.one_step(*first_step(*said, heard.noisy_TBCHW, Levels(*heard.shown)))


def last_latents(pipe: Any, guidance: float = 7.5) -> torch.Tensor:
    pipe.set_progress_bar_config(disable=True)
    found: torch.Tensor = pipe(
        CAPTION,
        num_inference_steps=1,
        guidance_scale=guidance,
        latents=noise(),
        output_type="latent",
    ).images
    return found


@pytest.mark.parametrize("scheduler", ["EulerDiscreteScheduler", "HeunDiscreteScheduler"])
@pytest.mark.parametrize("name", ["sd1", "sd2"])
def test_one_step_of_a_sampler_goes_sigma_max_times_the_guided_noise(
    models: Path, name: str, scheduler: str
) -> None:
    pipe = diffusers.DiffusionPipeline.from_pretrained(models / name)
    own = pipe.scheduler.config
    pipe.scheduler = getattr(diffusers, scheduler).from_config(own, timestep_spacing="trailing")
    z1 = last_latents(pipe)
    sigma_max = float(pipe.scheduler.init_noise_sigma)
    assert sigma_max > 10
    z0 = sigma_max * noise()
    model = opened(models / name, steps=1)
    model.sampler.pipe.scheduler = pipe.scheduler
    assert one_step(model) == pytest.approx(float((z0 - z1).square().mean()), rel=1e-3)


def test_one_step_of_flow_goes_from_noise_to_image(
    models: Path, signals: dict[str, Signals]
) -> None:
    pipe = diffusers.DiffusionPipeline.from_pretrained(models / "sd3")
    z1 = last_latents(pipe)
    expected = float((noise() - z1).square().mean())
    assert one_step(signals["sd3"]) == pytest.approx(expected, rel=1e-3)


# Wen, whatever is predicted


@pytest.mark.parametrize("name", ["sd1", "sd2", "sd3", "dit"])
def test_the_default_score_is_positive_and_depends_on_the_prompt(
    signals: dict[str, Signals], name: str
) -> None:
    methods = [TriageMethod()]
    label = name == "dit"
    asked = [{"text": None, "class_label": 7}, {"text": None, "class_label": 9}]
    one, other = (
        scores(signals[name], methods, **each)[0]
        for each in (asked if label else [{"text": CAPTION}, {"text": "a cat"}])
    )
    assert one > 0
    assert other > 0
    assert one != other


def test_a_flow_model_is_scored_by_its_velocity(signals: dict[str, Signals]) -> None:
    wen, of_velocity, way = scores(signals["sd3"])
    assert wen == of_velocity
    assert way > 0


def test_a_schedule_that_ends_in_pure_noise_is_scored_by_velocity(models: Path) -> None:
    model = opened(models / "sd2")
    pipe = model.sampler.pipe
    pipe.scheduler = type(pipe.scheduler).from_config(
        pipe.scheduler.config, rescale_betas_zero_snr=True, timestep_spacing="trailing"
    )
    heard = model.hear([Ask(5, CAPTION)])
    levels = Levels(*heard.shown)
    assert (levels.alphas_T[0], space_of(levels)) == (0, "velocity")
    said = heard.with_prompt_TBCHW, heard.without_TBCHW
    assert noise_prediction_magnitude(guidance_of(*said, levels, "noise")) == 0
    assert scores(model, [TriageMethod()])[0] > 0
    with pytest.raises(StageError, match="one_step: sigma_max is inf, expected a positive number"):
        scores(model, [TriageMethod(name="one_step")])


@pytest.mark.parametrize("spacing", ["linspace", "trailing"])
def test_times_between_two_whole_ones_have_the_sigma_of_the_scheduler(spacing: str) -> None:
    scheduler = diffusers.EulerDiscreteScheduler(use_karras_sigmas=True, timestep_spacing=spacing)
    scheduler.set_timesteps(7)
    shown = levels_of(scheduler, scheduler.timesteps.tolist())
    assert (scheduler.timesteps % 1).any(), "the test could not fail"
    ratios = shown.sigmas_T / shown.alphas_T
    np.testing.assert_allclose(ratios, scheduler.sigmas[:-1], rtol=1e-3)


# attention


class Keeping(AttnProcessor):
    """The plain attention of diffusers, which keeps what it looked at."""

    def __init__(self, kept: list[torch.Tensor]) -> None:
        super().__init__()
        self.kept = kept

    def __call__(self, attn: Any, hidden_states: Any, *args: Any, **options: Any) -> Any:
        scores_of = attn.get_attention_scores

        def keep(*inputs: Any) -> Any:
            self.kept.append(scores_of(*inputs))
            return self.kept[-1]

        attn.get_attention_scores = keep
        try:
            return super().__call__(attn, hidden_states, *args, **options)
        finally:
            del attn.get_attention_scores


def test_attention_is_what_the_network_looked_at(models: Path, signals: dict[str, Signals]) -> None:
    pipe = diffusers.DiffusionPipeline.from_pretrained(models / "sd1")
    kept: list[torch.Tensor] = []
    names = [name for name in pipe.unet.attn_processors if ".attn2." in name]
    plain = {name: AttnProcessor() for name in pipe.unet.attn_processors}
    pipe.unet.set_attn_processor(plain | {name: Keeping(kept) for name in names})
    heard = signals["sd1"].hear([Ask(5, CAPTION)], evaluations=2, attention=True)
    with torch.no_grad():
        with_it = pipe.encode_prompt(CAPTION, "cpu", 1, False)[0]
        for latents, time in zip(heard.noisy_TBCHW, (667, 334), strict=True):
            pipe.unet(torch.from_numpy(latents), time, with_it)
    layers = len(names)
    assert len(kept) == 2 * layers
    # letters are tokens here: begin, seven letters, end
    assert heard.maps.ends_B.tolist() == [8]
    for number, maps in enumerate((kept[:layers], kept[layers:])):
        expected = np.stack([each.mean(dim=(0, 1)).numpy() for each in maps])
        np.testing.assert_allclose(heard.maps.attention_TBLK[number, 0], expected, atol=1e-5)
    ending = kept[layers].mean(dim=0)[:, 8].reshape(4, 4)
    np.testing.assert_allclose(heard.maps.ending_Bhw[0], ending, atol=1e-5)


def test_scores_of_attention_depend_on_neither_neighbours_nor_order(
    signals: dict[str, Signals],
) -> None:
    rows = [Ask(1, "a cat"), Ask(2, CAPTION), Ask(3, "a rather long caption")]
    together = signals["sd1"].hear(rows, evaluations=2, batch=2, attention=True)
    assert together.maps.ends_B.tolist() == [5, 8, 15], "the last is cut to sixteen tokens"
    np.testing.assert_allclose(together.maps.attention_TBLK.sum(axis=-1), 1, atol=1e-5)
    back = signals["sd1"].hear(rows[::-1], evaluations=2, batch=2, attention=True)
    np.testing.assert_array_equal(back.maps.attention_TBLK[:, ::-1], together.maps.attention_TBLK)
    np.testing.assert_array_equal(back.maps.ending_Bhw[::-1], together.maps.ending_Bhw)


# what a network says of a given image


def test_an_image_is_shown_with_the_noise_of_the_scheduler(
    models: Path, signals: dict[str, Signals]
) -> None:
    pipe = diffusers.DiffusionPipeline.from_pretrained(models / "sd1")
    rgb_HWC = np.random.default_rng(1).integers(0, 256, (16, 26, 3), np.uint8)
    model = signals["sd1"]
    latents = model.latents_of([rgb_HWC, rgb_HWC[:, 5:21]])
    np.testing.assert_array_equal(latents[0], latents[1], "the longer side is cut in the middle")
    heard, added = model.probe([Ask(5, CAPTION), Ask(6, CAPTION)], latents, 100)
    np.testing.assert_array_equal(added[0], noise()[0])
    noisy = pipe.scheduler.add_noise(torch.from_numpy(latents[:1]), noise(), torch.tensor([100]))
    with torch.no_grad():
        caption = pipe.encode_prompt(CAPTION, "cpu", 1, False)[0]
        said = pipe.unet(noisy, 100, caption).sample
    np.testing.assert_allclose(heard.noisy_TBCHW[0, :1], noisy, atol=1e-5)
    np.testing.assert_allclose(heard.with_prompt_TBCHW[0, :1], said, atol=1e-5)
    assert heard.without_TBCHW.size == 0


@pytest.mark.parametrize("name", ["ddpm", "dit", "sd3"])
def test_every_class_with_a_picture_as_input_can_be_shown_one(
    signals: dict[str, Signals], name: str
) -> None:
    model = signals[name]
    latents = model.latents_of([np.full((16, 16, 3), 90, np.uint8)])
    heard, added = model.probe([ask(model)], latents, 300, batch=2)
    alpha, sigma = heard.shown.alphas_T[0], heard.shown.sigmas_T[0]
    np.testing.assert_allclose(heard.noisy_TBCHW[0], alpha * latents + sigma * added, atol=1e-5)
    assert heard.with_prompt_TBCHW.shape == (1, *latents.shape)


# what a model does not have


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ddpm", {}, "a DDPMPipeline is asked with the prompt alone"),
        ("flux", {}, "a FluxPipeline asks its network once at each step: its guidance is trained"),
        ("dit", {"attention": True}, "DiTTransformer2DModel .* has no cross-attention to the"),
        ("sd3", {"attention": True}, "SD3Transformer2DModel .* has no cross-attention to the"),
        ("sd1", {"evaluations": STEPS + 1}, "3 evaluations make a whole image here, but 4 are"),
    ],
)
def test_what_a_model_does_not_have_is_named(
    signals: dict[str, Signals], name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        signals[name].hear([ask(signals[name])], **options)


def test_a_network_of_packed_latents_cannot_be_shown_an_image(signals: dict[str, Signals]) -> None:
    with pytest.raises(ModelError, match="does not say how large its images are"):
        signals["flux"].latents_of([np.zeros((16, 16, 3), np.uint8)])
    latents = np.zeros((1, 16, 4, 4), np.float32)
    with pytest.raises(ModelError, match="images cannot be shown to this class of pipeline"):
        signals["flux"].probe([ask(signals["flux"])], latents, 100)


def test_a_scheduler_without_levels_is_refused() -> None:
    with pytest.raises(ModelError, match="tells neither what the network predicts nor"):
        levels_of(diffusers.EDMEulerScheduler(prediction_type="sample"), [1.0])


@pytest.mark.parametrize(
    ("scheduler", "last"),
    [(diffusers.DDIMScheduler(), 999), (diffusers.FlowMatchEulerDiscreteScheduler(), 1000)],
)
def test_a_time_that_a_model_does_not_know_is_refused(scheduler: Any, last: int) -> None:
    assert levels_of(scheduler, [0, last]).sigmas_T[0] < levels_of(scheduler, [last]).sigmas_T[0]
    for time in (-1, last + 1):
        with pytest.raises(ModelError, match=f"the model knows 0 to {last}"):
            levels_of(scheduler, [time])


# the stage, on the model of the demo


def test_the_stage_works_on_the_model_of_the_demo() -> None:
    ref = ModelRef(path=str(DEMO))
    names = ("wen", "one_step", "ren_layer", "ren_growth", "bright_ending")
    methods = tuple(TriageMethod(name=name, steps=1 + (name[-1] in "gh")) for name in names)
    config = TriageConfig(model=ref, methods=methods, sampler_steps=4)
    out = STAGE.run({"prompts": prompts("Upper Range")}, STAGE.open(config, Kit()))
    rows = SIGNALS.check(out.rows).to_pylist()
    assert [each["method"] for each in rows] == list(names)
    assert [each["evaluations"] for each in rows] == [2, 2, 2, 4, 4]
    assert {each["model_id"] for each in rows} == {model_digest(ref)}
    assert all(each["value"] > 0 for each in rows)


class OneImage:
    """A dataset of one image."""

    def take(self, _: Sequence[str], names: Sequence[str]) -> Any:
        data = encode_png(np.random.default_rng(2).integers(0, 256, (16, 16, 3), np.uint8))
        return pa.table({"sha256": ["ab" * 32], "bytes": [data]}).select(names)

    def read(self, names: Sequence[str]) -> Any:
        raise NotImplementedError(names)


def test_losses_of_a_real_model_and_its_shadows(models: Path, tmp_path: Path) -> None:
    """Shadow models of another class serve here: only the way is tested."""
    for name, known in (("in", "ab" * 32), ("out", "cd" * 32)):
        (tmp_path / name).write_text(known)
    shadows = tuple(
        losses.Shadow(model=ModelRef(path=str(models / name)), members=str(tmp_path / side))
        for name, side in (("sd1", "in"), ("sd2", "in"), ("sd1", "out"), ("sd2", "out"))
    )
    config = losses.LossesConfig(
        model=ModelRef(path=str(models / "sd1")), shadows=shadows, seeds=2, flips=True
    )
    names = losses.STAGE.reads["prompts"].names
    row = prompts().to_pylist()[0] | {"phase": "discovery", "block": 0, "seed": 0}
    row |= {"origin": "file", "work_id": "w"}
    asked = PROMPTS.of_rows([row]).select(names)
    kit = Kit(datasets={"images": OneImage()})
    (out,) = losses.STAGE.run({"prompts": [asked]}, config, kit)
    rows = SIGNALS.check(out.rows).to_pylist()
    assert [each["method"] for each in rows] == ["loss", "lira"]
    assert rows[0]["value"] > 0
    # the same two models stand on either side, so that neither is likelier
    assert rows[1]["value"] == pytest.approx(0, abs=1e-9)
