"""Everything that needs torch, in one file: importing it costs seconds and a gigabyte."""

import json
from collections.abc import Sequence
from functools import wraps
from hashlib import sha256
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import open_clip
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from stages.contract import Kit
from stages.images import embed, sample
from stages.models.clip import open_clip_encoder
from stages.models.conditions import Ask
from stages.models.descriptor import Preprocess, open_descriptor
from stages.models.diffusion import Knobs, Sampler, open_diffusion
from stages.models.files import ModelError, ModelRef, model_digest
from stages.models.runtime import prepare
from stages.pixels import decode, encode_png
from stages.prompt_ids import prompt_id_of
from stages.tables import EMBEDDINGS, GENERATIONS, PROMPTS
from tests.stages import tiny_models

# diffusers makes NumPy arrays of torch tensors; NumPy 2 asks torch for a keyword it lacks
pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
    ),
    # how SDXL of diffusers lifts its decoder out of half precision
    pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning"),
    # descriptors such as SSCD are published as TorchScript and in nothing newer
    pytest.mark.filterwarnings("ignore:`torch.jit.* is deprecated"),
]

BATCH = 4
STEPS = 3
NAMES = sorted(tiny_models.MAKERS)
GUIDED = ["dit", "sd1", "sd2", "sd3", "sdxl"]
SIDES = {"flux": 32} | dict.fromkeys([*GUIDED, "ddpm"], 16)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in NAMES:
        tiny_models.save(name, folder / name)
    return folder


def opened(folder: Path, **knobs: Any) -> Sampler:
    size = {"height": 32, "width": 32} if folder.name == "flux" else {}
    given = {"steps": STEPS, "batch": BATCH} | size | knobs
    return open_diffusion(folder, Knobs(**given), Kit())


@pytest.fixture(scope="session")
def samplers(models: Path) -> dict[str, Sampler]:
    return {name: opened(models / name) for name in NAMES}


def asks(sampler: Sampler, seeds: Sequence[int]) -> list[Ask]:
    texts = ["a cat", "two dogs"] if sampler.wants == "text" else [None]
    labels = [7, 999] if sampler.wants == "class_label" else [None]
    return [
        Ask(seed, texts[seed % len(texts)], labels[seed % len(labels)]) for seed in map(int, seeds)
    ]


# every class through one door


@pytest.mark.parametrize("name", NAMES)
def test_every_class_draws_images(samplers: dict[str, Sampler], name: str) -> None:
    made = samplers[name].draw(asks(samplers[name], range(BATCH + 1)))
    assert made.rgb_BHWC.shape == (BATCH + 1, SIDES[name], SIDES[name], 3)
    assert made.rgb_BHWC.dtype == np.uint8
    assert made.finite_B.all()
    assert len({rgb_HWC.tobytes() for rgb_HWC in made.rgb_BHWC}) == BATCH + 1


@pytest.mark.parametrize("name", NAMES)
def test_bytes_depend_on_neither_neighbours_nor_order(
    samplers: dict[str, Sampler], name: str
) -> None:
    sampler = samplers[name]
    six = asks(sampler, [11, 12, 13, 14, 15, 16])
    made = sampler.draw(six)
    back = sampler.draw(six[::-1])
    np.testing.assert_array_equal(back.rgb_BHWC[::-1], made.rgb_BHWC)
    for place in (1, 4):
        alone = sampler.draw([six[place]])
        np.testing.assert_array_equal(alone.rgb_BHWC[0], made.rgb_BHWC[place])
        if made.guidance_norms_BT is not None:
            assert alone.guidance_norms_BT is not None
            np.testing.assert_array_equal(alone.guidance_norms_BT[0], made.guidance_norms_BT[place])


@pytest.mark.parametrize("scheduler", ["EulerAncestralDiscreteScheduler", "DDPMScheduler"])
def test_noise_of_each_step_comes_from_the_row_too(models: Path, scheduler: str) -> None:
    sampler = opened(models / "sd1", scheduler=scheduler)
    torch.manual_seed(1)
    one = sampler.draw(asks(sampler, [1, 2, 3]))
    torch.manual_seed(2)
    other = sampler.draw(asks(sampler, [3, 1]))
    np.testing.assert_array_equal(other.rgb_BHWC, one.rgb_BHWC[[2, 0]])


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl", "flux", "ddpm"])
def test_images_are_those_of_a_plain_call(
    models: Path, samplers: dict[str, Sampler], name: str
) -> None:
    asked = asks(samplers[name], range(BATCH))
    pipe = diffusers.DiffusionPipeline.from_pretrained(models / name)
    pipe.set_progress_bar_config(disable=True)
    prompt = {"batch_size": BATCH} if name == "ddpm" else {"prompt": [ask.text for ask in asked]}
    size = {"height": 32, "width": 32} if name == "flux" else {}
    plain = pipe(
        **prompt,
        **size,
        num_inference_steps=STEPS,
        generator=[torch.Generator().manual_seed(ask.seed) for ask in asked],
    ).images
    for image, rgb_HWC in zip(plain, samplers[name].draw(asked).rgb_BHWC, strict=True):
        # another memory layout adds in another order, which can move a rounding by one
        expected_HWC = np.asarray(image.convert("RGB"), np.int16)
        assert np.abs(expected_HWC - rgb_HWC).max() <= 1
        assert (expected_HWC == rgb_HWC).mean() > 0.99


@pytest.mark.parametrize(("name", "dtype"), [("sd1", "bfloat16"), ("sdxl", "float16")])
def test_half_precision_is_a_knob(
    models: Path, samplers: dict[str, Sampler], name: str, dtype: str
) -> None:
    made = opened(models / name, dtype=dtype).draw(asks(samplers[name], [1]))
    exact = samplers[name].draw(asks(samplers[name], [1]))
    assert made.finite_B.all()
    assert (made.rgb_BHWC != exact.rgb_BHWC).any()
    np.testing.assert_allclose(made.rgb_BHWC.mean(), exact.rgb_BHWC.mean(), atol=3)


# guidance norms


@pytest.mark.parametrize("name", NAMES)
def test_norms_are_recorded_where_there_is_an_unconditional_branch(
    models: Path, samplers: dict[str, Sampler], name: str
) -> None:
    made = samplers[name].draw(asks(samplers[name], [1, 2]))
    if name not in GUIDED:
        assert made.guidance_norms_BT is None
        return
    assert made.guidance_norms_BT is not None
    assert made.guidance_norms_BT.shape == (2, STEPS)
    assert (made.guidance_norms_BT > 0).all()
    unguided = opened(models / name, guidance=1.0)
    assert unguided.draw(asks(unguided, [1, 2])).guidance_norms_BT is None


@pytest.mark.parametrize("name", ["sd1", "sd2"])
def test_norms_equal_a_plain_recomputation(
    models: Path, samplers: dict[str, Sampler], name: str
) -> None:
    """Wen et al. 2024: || eps(x_t, prompt) - eps(x_t, empty) ||_2, one prompt after the other."""
    pipe = diffusers.DiffusionPipeline.from_pretrained(models / name)
    expected = []
    with torch.no_grad():
        with_prompt, without = pipe.encode_prompt("two dogs", "cpu", 1, True)
        latents = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(5))
        pipe.scheduler.set_timesteps(STEPS)
        for time in pipe.scheduler.timesteps:
            conditional = pipe.unet(latents, time, with_prompt).sample
            unconditional = pipe.unet(latents, time, without).sample
            expected.append(float((conditional - unconditional).square().sum().sqrt()))
            guided = unconditional + 7.5 * (conditional - unconditional)
            latents = pipe.scheduler.step(guided, time, latents).prev_sample
    norms_BT = samplers[name].draw([Ask(5, "two dogs")]).guidance_norms_BT
    assert norms_BT is not None
    np.testing.assert_allclose(norms_BT[0], expected, rtol=1e-4)


def test_norms_of_a_dit_leave_its_variances_out(models: Path) -> None:
    pipe = diffusers.DiffusionPipeline.from_pretrained(models / "dit")
    latents = torch.randn((1, 4, 8, 8), generator=torch.Generator().manual_seed(5))
    pipe.scheduler.set_timesteps(1)
    with torch.no_grad():
        both = [
            pipe.transformer(
                latents, timestep=pipe.scheduler.timesteps, class_labels=torch.tensor([label])
            ).sample
            for label in (7, 1000)
        ]
    difference = both[0] - both[1]
    assert difference[:, 4:].abs().max() > 0, "the test could not fail"
    norms_BT = opened(models / "dit", steps=1).draw([Ask(5, class_label=7)]).guidance_norms_BT
    assert norms_BT is not None
    np.testing.assert_allclose(norms_BT[0, 0], difference[:, :4].norm(), rtol=1e-4)


def test_captions_are_encoded_once_and_norms_cost_nothing(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = {"captions": 0, "evaluations": 0}
    encode = diffusers.StableDiffusionPipeline.encode_prompt
    forward = diffusers.UNet2DConditionModel.forward

    @wraps(encode)
    def encode_counted(*args: Any, **options: Any) -> Any:
        # the pipeline itself passes no prompt, but the embedding
        counts["captions"] += "prompt" in options
        return encode(*args, **options)

    def forward_counted(*args: Any, **options: Any) -> Any:
        counts["evaluations"] += 1
        return forward(*args, **options)

    monkeypatch.setattr(diffusers.StableDiffusionPipeline, "encode_prompt", encode_counted)
    monkeypatch.setattr(diffusers.UNet2DConditionModel, "forward", forward_counted)
    sampler = opened(models / "sd1")
    for _ in range(2):
        sampler.draw([Ask(seed, "a cat") for seed in range(BATCH + 1)])
    assert counts == {"captions": 2, "evaluations": 2 * 2 * STEPS}, "a cat, and the empty caption"


# what goes wrong


@pytest.mark.parametrize("part", ["network", "decoder"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_row_that_is_not_finite_is_marked_and_its_neighbours_are_not_touched(
    models: Path, samplers: dict[str, Sampler], part: str, value: float
) -> None:
    asked = asks(samplers["sd1"], [1, 2, 3])
    clean = samplers["sd1"].draw(asked)
    sampler: Any = opened(models / "sd1")
    module = sampler.pipe.unet.conv_out if part == "network" else sampler.pipe.vae.decoder.conv_out

    def poison(_: Any, __: Any, output: Any) -> Any:
        output[1, 0, 0, 0] = value
        return output

    module.register_forward_hook(poison)
    made = sampler.draw(asked)
    assert made.finite_B.tolist() == [True, False, True]
    np.testing.assert_array_equal(made.rgb_BHWC[[0, 2]], clean.rgb_BHWC[[0, 2]])


def edit(folder: Path, copy: Path, **fields: Any) -> Path:
    """Return a copy of a model whose index says something else."""
    copy.mkdir()
    for component in folder.iterdir():
        if component.is_dir():
            (copy / component.name).mkdir()
            for file in component.iterdir():
                (copy / component.name / file.name).write_bytes(file.read_bytes())
    index = json.loads((folder / "model_index.json").read_text()) | fields
    (copy / "model_index.json").write_text(json.dumps(index))
    return copy


def test_the_safety_checker_is_never_loaded(
    models: Path, samplers: dict[str, Sampler], tmp_path: Path
) -> None:
    checker = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    folder = edit(
        models / "sd1", tmp_path / "sd1", safety_checker=checker, requires_safety_checker=True
    )
    made = opened(folder).draw([Ask(1, "a cat")])
    np.testing.assert_array_equal(made.rgb_BHWC, samplers["sd1"].draw([Ask(1, "a cat")]).rgb_BHWC)


def test_an_unknown_class_of_pipeline_is_refused(models: Path, tmp_path: Path) -> None:
    folder = edit(models / "sd1", tmp_path / "sd1", _class_name="StableDiffusionInpaintPipeline")
    with pytest.raises(ModelError, match="is a 'StableDiffusionInpaintPipeline'; expected one"):
        opened(folder)


def test_a_component_with_pickled_weights_is_refused(models: Path, tmp_path: Path) -> None:
    folder = edit(models / "ddpm", tmp_path / "ddpm")
    (weights,) = (folder / "unet").glob("*.safetensors")
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(ModelError, match="are not safetensors"):
        opened(folder)


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        ("ddpm", {"guidance": 2.0}, "`guidance: 2.0`: a DDPMPipeline has no guidance"),
        ("dit", {"height": 64}, "`height: 64`: a DiTPipeline has no height"),
        ("sd1", {"scheduler": "NoSuchScheduler"}, "does not fit this model; choose of"),
        ("sd1", {"scheduler": "DPMSolverSDEScheduler"}, "draws the noise of a batch together"),
    ],
)
def test_knobs_that_a_model_does_not_have_are_refused(
    models: Path, name: str, knobs: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        opened(models / name, **knobs)


@pytest.mark.parametrize("label", [-1, 1000, None])
def test_a_class_that_the_model_does_not_have_is_refused(
    samplers: dict[str, Sampler], label: int | None
) -> None:
    with pytest.raises(ModelError, match=r"the model has 0\.\.999"):
        samplers["dit"].draw([Ask(1, class_label=label)])


def test_a_dit_of_few_classes_is_sampled_without_guidance_only(tmp_path: Path) -> None:
    tiny_models.dit(num_classes=10).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="this model has 10 classes: set `guidance: 1`"):
        opened(tmp_path)
    assert opened(tmp_path, guidance=1.0).draw([Ask(1, class_label=9)]).finite_B.all()


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="torch sees no GPU; use `cpu`"):
        prepare(Kit(device="cuda:0"))


# descriptors


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    config = {
        "embed_dim": 8,
        "vision_cfg": {
            "image_size": 16,
            "layers": 1,
            "width": 16,
            "head_width": 8,
            "patch_size": 8,
        },
        "text_cfg": {"context_length": 8, "vocab_size": 32, "width": 16, "heads": 2, "layers": 1},
    }
    torch.manual_seed(20)
    network = open_clip.CLIP(**config)
    save_file(network.state_dict(), folder / "open_clip_model.safetensors")
    declared = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "interpolation": "bicubic"}
    index = {"model_cfg": config, "preprocess_cfg": declared}
    (folder / "open_clip_config.json").write_text(json.dumps(index))
    return folder


def pictures(*sizes: tuple[int, int]) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def test_clip_vectors_are_those_of_a_plain_call(clip_folder: Path) -> None:
    encode = open_clip_encoder(clip_folder, Kit(), batch=3)
    images = pictures((16, 16), (40, 20), (9, 30), (64, 64))
    found_BD = encode(images)
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{clip_folder}")
    with torch.no_grad():
        for rgb_HWC, found_D in zip(images, found_BD, strict=True):
            plain = model.eval().encode_image(preprocess(Image.fromarray(rgb_HWC))[None])[0]
            np.testing.assert_allclose(found_D, plain.numpy(), atol=1e-5)


def test_clip_vectors_depend_on_neither_neighbours_nor_order(clip_folder: Path) -> None:
    encode = open_clip_encoder(clip_folder, Kit(), batch=3)
    images = pictures(*[(20, 20)] * 5)
    found_BD = encode(images)
    np.testing.assert_array_equal(encode(images[::-1])[::-1], found_BD)
    np.testing.assert_array_equal(encode(images[4:])[0], found_BD[4])


class Colours(torch.nn.Module):
    """Mean of each colour: a descriptor whose answer can be computed by hand."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=[2, 3])


class Whole(torch.nn.Module):
    """Gives back the image: not a descriptor."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    for network in (Colours(), Whole()):
        name = type(network).__name__.lower()
        torch.jit.trace(network, torch.zeros(1, 3, 8, 8)).save(folder / f"{name}.pt")
    (folder / "text.pt").write_text("not a model")
    return folder


@pytest.mark.parametrize(("resize", "red"), [("skew", 0.5), ("crop", 1.0)])
def test_a_descriptor_sees_what_its_preprocessing_declares(
    scripts: Path, resize: Any, red: float
) -> None:
    # red in the middle half only, which is all that a crop keeps
    rgb_HWC = np.zeros((8, 16, 3), np.uint8)
    rgb_HWC[:, 4:12, 0] = 255
    plain = Preprocess(size=8, resize=resize, mean=(0.25, 0.0, 0.0), std=(0.5, 1.0, 1.0))
    encode = open_descriptor(scripts / "colours.pt", plain, Kit(), batch=2)
    found_BD = encode([rgb_HWC, rgb_HWC, 255 - rgb_HWC])
    expected = [[(red - 0.25) / 0.5, 0, 0]] * 2 + [[(1 - red - 0.25) / 0.5, 1, 1]]
    np.testing.assert_allclose(found_BD, expected, atol=0.03)


def test_what_is_no_descriptor_is_refused(scripts: Path, clip_folder: Path) -> None:
    whole = open_descriptor(scripts / "whole.pt", Preprocess(size=8), Kit(), batch=2)
    with pytest.raises(ModelError, match=r"gave \[2, 3, 8, 8\], expected \[2, D\]"):
        whole(pictures((8, 8)))
    with pytest.raises(ModelError, match="is not a file of TorchScript"):
        open_descriptor(scripts / "text.pt", Preprocess(), Kit(), batch=2)
    with pytest.raises(ModelError, match="is a open_clip model; `kind: torchscript` wants"):
        open_descriptor(clip_folder, Preprocess(), Kit(), batch=2)
    with pytest.raises(ModelError, match="is a torchscript model; `kind: clip` wants"):
        open_clip_encoder(scripts / "colours.pt", Kit(), batch=2)


# the stages with real models


def test_sample_and_embed_work_from_prompt_to_vector(
    models: Path, clip_folder: Path, scripts: Path
) -> None:
    ref = ModelRef(path=str(models / "sd1"))
    config = sample.SampleConfig(model=ref, steps=2, batch=2)
    rows = [
        {
            "prompt_id": prompt_id_of(text="a cat"),
            "sample": number,
            "phase": "discovery",
            "seed": 2**63 - 1 - number,
            "text": "a cat",
            "class_label": None,
        }
        for number in range(3)
    ]
    names = sample.STAGE.reads["prompts"].names
    asked = pa.Table.from_pylist(rows, pa.schema([PROMPTS.schema.field(name) for name in names]))
    out = sample.STAGE.run({"prompts": asked}, sample.STAGE.open(config, Kit()))
    made = GENERATIONS.check(out.rows)
    assert set(made["model_id"].to_pylist()) == {model_digest(ref)}
    assert made["seed"].to_pylist() == [row["seed"] for row in rows]
    for data, digest in zip(made["bytes"].to_pylist(), made["sha256"].to_pylist(), strict=True):
        assert sha256(data).hexdigest() == digest
        assert encode_png(decode(data).rgb_HWC) == data

    seen = made.select(["image_id", "bytes"])
    clip = embed.EmbedConfig(model=ModelRef(path=str(clip_folder)), batch=2)
    script = ModelRef(path=str(scripts / "colours.pt"), torchscript=True)
    colours = embed.EmbedConfig(model=script, kind="torchscript", preprocess=Preprocess(size=8))
    for config_of_embed, dimensions in ((clip, 8), (colours, 3)):
        tools = embed.STAGE.open(config_of_embed, Kit())
        vectors = EMBEDDINGS.check(embed.STAGE.run({"images": seen}, tools).rows)
        assert vectors["image_id"].to_pylist() == made["image_id"].to_pylist()
        assert {len(each) for each in vectors["vector"].to_pylist()} == {dimensions}
