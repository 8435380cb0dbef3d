"""Sample, embed and adopt with planted models: nothing here imports torch."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from stages.contract import StageError
from stages.images import adopt, embed, sample
from stages.models.conditions import Ask, Wants
from stages.models.descriptor import Preprocess
from stages.models.diffusion import Made
from stages.models.files import ModelRef
from stages.pixels import decode, encode_png
from stages.prompt_ids import prompt_id_of
from stages.tables import EMBEDDINGS, GENERATIONS, IMAGES, PROMPTS

MODEL = ModelRef(path="somewhere")
GIVEN = {"text": "a cat", "class_label": 3, "nothing": None}


class FakeSampler:
    """Paints each image in the grey of its seed; the seeds in `broken` give NaN."""

    def __init__(self, wants: Wants = "text", broken: Sequence[int] = (), steps: int = 2) -> None:
        self.wants: Wants = wants
        self.broken = broken
        self.steps = steps

    def draw(self, asks: Sequence[Ask]) -> Made:
        seeds_B = np.array([ask.seed for ask in asks])
        rgb_BHWC = np.broadcast_to(seeds_B[:, None, None, None], (len(asks), 4, 6, 3))
        norms_BT = np.outer(seeds_B, np.arange(1, self.steps + 1)).astype(np.float32)
        finite_B = ~np.isin(seeds_B, self.broken)
        return Made(rgb_BHWC.astype(np.uint8), norms_BT if self.steps else None, finite_B)


def sample_tools(sampler: FakeSampler, **settings: Any) -> sample.SampleTools:
    return sample.SampleTools(sampler, "m" * 64, {"steps": 2} | settings)


def prompts(seeds: Sequence[int], wants: str = "text") -> pa.Table:
    text = "a cat" if wants == "text" else None
    class_label = 3 if wants == "class_label" else None
    rows = [
        {
            "prompt_id": prompt_id_of(text=text, class_label=class_label),
            "sample": number,
            "phase": "discovery" if number else "confirmation",
            "seed": seed,
            "text": text,
            "class_label": class_label,
        }
        for number, seed in enumerate(seeds)
    ]
    names = sample.STAGE.reads["prompts"].names
    return pa.Table.from_pylist(rows, pa.schema([PROMPTS.schema.field(name) for name in names]))


# sample


def test_each_prompt_row_becomes_one_generation_in_order() -> None:
    out = sample.sample({"prompts": prompts([7, 5, 9])}, sample_tools(FakeSampler()))
    rows = GENERATIONS.check(out.rows).to_pylist()
    assert [row["seed"] for row in rows] == [7, 5, 9]
    assert [row["sample"] for row in rows] == [0, 1, 2]
    assert [row["phase"] for row in rows] == ["confirmation", "discovery", "discovery"]
    assert [row["guidance_norms"] for row in rows] == [[7, 14], [5, 10], [9, 18]]
    for row in rows:
        assert (row["width"], row["height"], row["format"]) == (6, 4, "png")
        assert row["sha256"] == sha256(row["bytes"]).hexdigest()
        assert (decode(row["bytes"]).rgb_HWC == row["seed"]).all()


def test_cutting_a_part_gives_the_same_rows() -> None:
    whole, tools = prompts([1, 2, 3, 4, 5]), sample_tools(FakeSampler(broken=[2]))
    at_once = sample.sample({"prompts": whole}, tools)
    cut = [sample.sample({"prompts": part}, tools) for part in (whole[:1], whole[1:])]
    assert at_once.rows.equals(pa.concat_tables([part.rows for part in cut]))
    assert list(at_once.rejected) == [each for part in cut for each in part.rejected]


def test_a_row_that_is_not_finite_is_rejected_and_the_others_go_on() -> None:
    out = sample.sample({"prompts": prompts([1, 2, 3])}, sample_tools(FakeSampler(broken=[2])))
    assert out.rows["seed"].to_pylist() == [1, 3]
    (rejected,) = out.rejected
    assert rejected.code == "not-finite"
    assert rejected.key not in out.rows["image_id"].to_pylist()
    assert "sample 1 of prompt" in rejected.message


def test_norms_are_null_without_an_unconditional_branch() -> None:
    out = sample.sample({"prompts": prompts([1])}, sample_tools(FakeSampler(steps=0)))
    assert GENERATIONS.check(out.rows)["guidance_norms"].to_pylist() == [None]


def test_no_prompts_give_no_generations() -> None:
    out = sample.sample({"prompts": prompts([])}, sample_tools(FakeSampler()))
    assert GENERATIONS.check(out.rows).num_rows == 0


def test_the_id_says_model_prompt_sample_seed_and_settings() -> None:
    def image_id(tools: sample.SampleTools, seeds: Sequence[int], place: int = 0) -> str:
        out = sample.sample({"prompts": prompts(seeds)}, tools)
        return str(out.rows["image_id"][place].as_py())

    tools = sample_tools(FakeSampler())
    plain = image_id(tools, [1])
    assert plain == image_id(tools, [1])
    others = {
        "another model": image_id(tools._replace(model_id="n" * 64), [1]),
        "other settings": image_id(sample_tools(FakeSampler(), steps=3), [1]),
        "another sample": image_id(tools, [1, 1], place=1),
        "another seed": image_id(tools, [2]),
    }
    assert plain not in others.values()
    assert len(set(others.values())) == len(others)


@pytest.mark.parametrize("wants", GIVEN)
@pytest.mark.parametrize("given", GIVEN)
def test_a_model_is_given_what_it_wants_or_the_case_is_wrong(wants: Wants, given: str) -> None:
    run = {"prompts": prompts([1], wants=given)}, sample_tools(FakeSampler(wants=wants))
    if wants == given:
        assert sample.sample(*run).rows.num_rows == 1
        return
    with pytest.raises(StageError, match=f"the model wants {wants}, but prompt .* gives {given}"):
        sample.sample(*run)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("steps", 0, "steps must be 1 or more, got 0"),
        ("batch", 0, "batch must be 1 or more, got 0"),
        ("height", 100, "height must be a multiple of 8 pixels, got 100"),
        ("width", -8, "width must be a multiple of 8 pixels, got -8"),
        ("guidance", -1.0, r"guidance must be 0 or more, got -1\.0"),
        ("guidance", float("nan"), "guidance must be 0 or more, got nan"),
        ("dtype", "int8", "dtype must be float32, float16 or bfloat16, got 'int8'"),
    ],
)
def test_impossible_knobs_of_sample_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(sample.SampleConfig(model=MODEL), **{field: value})


# embed


class FakeEncoder:
    """The mean colour of an image, in a batch that must never be larger than it was told."""

    def __init__(self, batch: int = 2) -> None:
        self.tools = embed.EmbedTools(self.encode, batch)
        self.num_seen = 0

    def encode(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        assert 0 < len(images) <= self.tools.batch
        self.num_seen += len(images)
        vectors_BD = np.stack([rgb_HWC.mean((0, 1)) for rgb_HWC in images]).astype(np.float32)
        vectors_BD[vectors_BD[:, 0] == 255] = np.inf
        return vectors_BD


def png(red: int, green: int, side: int = 3) -> bytes:
    return encode_png(np.full((side, side, 3), (red, green, 0), np.uint8))


def images(*blobs: bytes) -> pa.Table:
    ids = [sha256(str(place).encode()).hexdigest() for place in range(len(blobs))]
    fields = [IMAGES.schema.field(name) for name in ("image_id", "bytes")]
    return pa.Table.from_arrays(
        [pa.array(ids, fields[0].type), pa.array(blobs, fields[1].type)], schema=pa.schema(fields)
    )


def test_vectors_have_length_one_in_the_order_of_the_images() -> None:
    out = embed.embed({"images": images(png(3, 4), png(0, 9, side=5))}, FakeEncoder().tools)
    EMBEDDINGS.check(out.rows)
    vectors = np.array(out.rows["vector"].to_pylist())
    np.testing.assert_allclose(vectors, [[0.6, 0.8, 0], [0, 1, 0]], rtol=1e-6)


def test_the_same_bytes_are_encoded_once() -> None:
    encoder = FakeEncoder()
    given = images(png(1, 2), png(3, 4), png(1, 2), png(1, 2))
    out = embed.embed({"images": given}, encoder.tools)
    assert encoder.num_seen == 2
    assert out.rows["image_id"].to_pylist() == given["image_id"].to_pylist()
    vectors = out.rows["vector"].to_pylist()
    assert vectors[0] == vectors[2] == vectors[3] != vectors[1]


def test_images_without_a_descriptor_are_rejected_and_the_others_go_on() -> None:
    cut = png(9, 9, side=64)[:60]
    given = images(png(0, 0), png(1, 2), b"not an image", png(255, 0), cut, b"", png(0, 0))
    out = embed.embed({"images": given}, FakeEncoder().tools)
    ids = given["image_id"].to_pylist()
    assert out.rows["image_id"].to_pylist() == [ids[1]]
    codes = [(ids.index(each.key), each.code) for each in out.rejected]
    assert codes == [
        (0, "zero-vector"),
        (2, "not-an-image"),
        (3, "not-finite"),
        (4, "truncated"),
        (5, "empty"),
        (6, "zero-vector"),
    ]


def test_no_images_and_only_bad_images_give_no_vectors() -> None:
    for given in (images(), images(b"bad", b"worse")):
        out = embed.embed({"images": given}, FakeEncoder().tools)
        assert EMBEDDINGS.check(out.rows).num_rows == 0
        assert len(out.rejected) == given.num_rows


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: embed.EmbedConfig(model=MODEL, kind="sscd"), "kind must be `clip` or"),
        (lambda: embed.EmbedConfig(model=MODEL, batch=0), "batch must be 1 or more, got 0"),
        (lambda: Preprocess(size=0), "size must be at least 1 pixel, got 0"),
        (lambda: Preprocess(std=(1.0, 0.0, 1.0)), "std must be positive"),
    ],
)
def test_impossible_knobs_of_embed_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# adopt


def suspect(*captions: str | None) -> pa.Table:
    rows = [
        {
            "image_id": sha256(f"{caption}{place}".encode()).hexdigest(),
            "caption": caption,
            "sha256": sha256(b"bytes").hexdigest(),
            "format": "jpeg",
            "width": 5,
            "height": 4,
            "bytes": b"bytes",
        }
        for place, caption in enumerate(captions)
    ]
    names = adopt.STAGE.reads["images"].names
    return pa.Table.from_pylist(rows, pa.schema([IMAGES.schema.field(name) for name in names]))


def test_foreign_images_become_generations_of_their_caption() -> None:
    given = suspect("a cat", "a dog", "a cat", None)
    out = adopt.adopt({"images": given}, adopt.AdoptConfig())
    made = GENERATIONS.check(out.rows)
    for name in ("image_id", "sha256", "format", "width", "height", "bytes"):
        assert made[name].to_pylist() == given[name].to_pylist()
    cat, dog, nothing = prompt_id_of(text="a cat"), prompt_id_of(text="a dog"), prompt_id_of()
    assert made["prompt_id"].to_pylist() == [cat, dog, cat, nothing]
    assert set(made["model_id"].to_pylist()) == {"imported"}
    assert set(made["phase"].to_pylist()) == {"confirmation"}
    assert made["seed"].null_count == made["guidance_norms"].null_count == 4


def test_the_number_of_an_adopted_sample_does_not_depend_on_the_part_it_lies_in() -> None:
    given = suspect(*["a cat"] * 50)
    whole = adopt.adopt({"images": given}, adopt.AdoptConfig()).rows["sample"].to_pylist()
    last = adopt.adopt({"images": given[49:]}, adopt.AdoptConfig()).rows["sample"].to_pylist()
    assert last == whole[49:]
    assert len(set(whole)) == 50
    assert min(whole) >= 0


def test_nothing_to_adopt() -> None:
    out = adopt.adopt({"images": suspect()}, adopt.AdoptConfig())
    assert GENERATIONS.check(out.rows).num_rows == 0
