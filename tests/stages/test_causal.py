"""Language models: what a scheme draws, that neighbours change nothing, and what is refused."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from stages.contract import Kit
from stages.models.causal import Ask, Knobs, Prompt, Writer, open_writer
from stages.models.files import ModelRef, model_digest
from stages.models.layout import ModelError
from stages.models.next_token import Scheme, draw, log_probabilities
from stages.prompt_ids import prompt_id_of
from stages.seeds import seed_of
from stages.tables import OUTPUTS, PROMPTS
from stages.text import write
from tests.stages import tiny_writers

KNOBS = Knobs(Scheme(top_k=40), prompt_tokens=12, new_tokens=10, suffix_tokens=8, batch=4)
PROMPTS_GIVEN = ["It was", "a dark and stormy night; the rain", "x", "fell in torrents"]


@pytest.fixture(scope="session")
def writers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("writers")
    for name in ("gpt2", "llama"):
        tiny_writers.save(name, folder / name)
    tiny_writers.save("llama", folder / "begins", begins=True)
    return folder


def opened(folder: Path, knobs: Knobs = KNOBS) -> Writer:
    return open_writer(folder, knobs, Kit())


class Numbers:
    """A tokenizer whose text is the numbers of the tokens."""

    eos_token_id = None

    def decode(self, tokens: list[int], **_: Any) -> str:
        return " ".join(map(str, tokens))


def numbers_of(writer: Any, *asks: Ask) -> list[tuple[int, ...]]:
    """Return the tokens of what is written."""
    made = replace(writer, tokenizer=Numbers()).write(asks)
    return [tuple(map(int, each.text.split())) for each in made]


def by_hand(logits: list[float], scheme: Scheme) -> list[float]:
    """Return the probabilities of a scheme with nothing but arithmetic."""
    scaled = [logit / scheme.temperature for logit in logits]
    if scheme.top_k is not None:
        least = sorted(scaled, reverse=True)[: scheme.top_k][-1]
        scaled = [logit if logit >= least else -np.inf for logit in scaled]
    weights = [float(np.exp(logit - max(scaled))) for logit in scaled]
    kept, reached = set(), 0.0
    for place in sorted(range(len(weights)), key=lambda place: (-weights[place], place)):
        if reached < scheme.top_p * sum(weights):
            kept.add(place)
        reached += weights[place]
    weights = [weight if place in kept else 0.0 for place, weight in enumerate(weights)]
    return [weight / sum(weights) for weight in weights]


# one token


@given(
    st.lists(st.integers(-30, 30).map(lambda n: n / 10), min_size=2, max_size=9),
    st.sampled_from([0.3, 1.0, 2.5]),
    st.one_of(st.none(), st.integers(1, 12)),
    # never a share that a sum of equal weights can hit exactly
    st.sampled_from([1.0, 0.9013, 0.5017, 0.01003]),
)
def test_log_probabilities_are_those_of_a_softmax_by_hand(
    logits: list[float], temperature: float, top_k: int | None, top_p: float
) -> None:
    scheme = Scheme(temperature, top_k, top_p)
    found = log_probabilities(torch.tensor([logits, logits[::-1]]), scheme).exp()
    np.testing.assert_allclose(found[0], by_hand(logits, scheme), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-12)


def test_tokens_tied_with_the_last_of_the_top_stay() -> None:
    found = log_probabilities(torch.tensor([[1.0, 2.0, 1.0, 0.0]]), Scheme(top_k=2)).exp()
    assert (found > 0).tolist() == [[True, True, True, False]]


def test_a_uniform_draws_the_token_whose_stretch_it_lies_in() -> None:
    logps = torch.tensor([[0.0, 0.25, 0.0, 0.5, 0.25, 0.0]], dtype=torch.float64).log()
    uniforms = [0.0, 0.2499, 0.25, 0.7499, 0.75, 1 - 2**-53]
    drawn = draw(logps.expand(6, -1), torch.tensor(uniforms, dtype=torch.float64))
    assert drawn.tolist() == [1, 1, 3, 3, 4, 4]


# whole texts


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_neither_company_nor_order_changes_a_text(writers: Path, name: str) -> None:
    writer = opened(writers / name)
    asks = [
        Ask(writer.prompt(text).tokens, seed)
        for text in PROMPTS_GIVEN
        for seed in (None, 1, 2, 2**63 - 1)
    ]
    together = writer.write(asks)
    assert len({made.text for made in together}) > len(asks) // 2
    assert all(made.is_finite for made in together)
    order = np.random.default_rng(0).permutation(len(asks)).tolist()
    shuffled = writer.write([asks[place] for place in order])
    assert shuffled == [together[place] for place in order]
    assert [writer.write([ask])[0] for ask in asks] == together


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_greedy_takes_the_likeliest_token_of_a_plain_forward_pass(writers: Path, name: str) -> None:
    writer: Any = opened(writers / name)
    for text in PROMPTS_GIVEN:
        tokens = list(writer.prompt(text).tokens)
        for _ in range(KNOBS.new_tokens):
            with torch.inference_mode():
                logits = writer.model(torch.tensor([tokens])).logits[0, -1]
            tokens.append(int(logits.argmax()))
            if tokens[-1] in writer.ends:
                break
        wanted = writer.tokenizer.decode(tokens[len(writer.prompt(text).tokens) :])
        (made,) = writer.write([Ask(writer.prompt(text).tokens, None)])
        assert made.text == wanted.removesuffix(tiny_writers.END)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_score_is_the_sum_of_hand_made_log_probabilities(writers: Path, name: str) -> None:
    scheme = Scheme(temperature=1.3, top_k=200, top_p=0.97)
    writer: Any = opened(writers / name, KNOBS._replace(scheme=scheme))
    prompts = [writer.prompt(text, ", e") for text in PROMPTS_GIVEN]
    assert {len(prompt.suffix) for prompt in prompts} == {3}
    for prompt, score in zip(prompts, writer.score(prompts), strict=True):
        with torch.inference_mode():
            logits = writer.model(torch.tensor([[*prompt.tokens, *prompt.suffix]])).logits[0]
        rows = logits[len(prompt.tokens) - 1 : -1].tolist()
        steps = [
            by_hand(row, scheme)[token] for row, token in zip(rows, prompt.suffix, strict=True)
        ]
        with np.errstate(divide="ignore"):
            assert score == pytest.approx(float(np.log(steps).sum()), rel=1e-4)


def test_a_score_is_the_share_of_samples_that_begin_so(writers: Path) -> None:
    knobs = KNOBS._replace(
        scheme=Scheme(temperature=3.0, top_k=5), new_tokens=2, suffix_tokens=2, batch=500
    )
    writer: Any = opened(writers / "llama", knobs)
    tokens = writer.prompt("It was").tokens
    made = numbers_of(writer, *[Ask(tokens, seed) for seed in range(4000)])
    common = Counter(pair for pair in made if len(pair) == 2).most_common(6)
    scores = writer.score([Prompt(tokens, "It was", pair) for pair, _ in common])
    assert len(common) == 6
    for (_, count), chance in zip(common, np.exp(scores), strict=True):
        # four standard errors
        assert abs(count / 4000 - chance) < 4 * (chance * (1 - chance) / 4000) ** 0.5


def test_a_token_outside_the_top_has_probability_zero(writers: Path) -> None:
    writer: Any = opened(writers / "llama", KNOBS._replace(scheme=Scheme(top_k=1)))
    tokens = writer.prompt("It was").tokens
    ((first, *_),) = numbers_of(writer, Ask(tokens, None))
    sure, never = writer.score(
        [Prompt(tokens, "It was", (first,)), Prompt(tokens, "It was", ((first + 1) % 200,))]
    )
    assert (sure, never) == (0.0, -np.inf)


def test_a_text_ends_before_the_mark_of_the_end(writers: Path) -> None:
    writer: Any = opened(writers / "llama")
    ask = Ask(writer.prompt("It was").tokens, 5)
    (tokens,) = numbers_of(writer, ask)
    assert len(tokens) == KNOBS.new_tokens
    cut = replace(writer, ends=frozenset({tokens[2], -1}))
    first = tokens.index(tokens[2])
    assert numbers_of(cut, ask) == [tokens[:first]]
    assert cut.write([ask])[0].num_tokens == first


# prompts


def test_a_prompt_is_its_last_tokens_and_says_which_text_they_are(writers: Path) -> None:
    writer = opened(writers / "llama")
    prompt = writer.prompt("a dark and stormy night", "; the rain fell")
    assert prompt.text == "stormy night"
    assert len(prompt.tokens) == KNOBS.prompt_tokens
    assert prompt.tokens == writer.prompt("stormy night").tokens
    assert prompt.suffix == writer.prompt("; the ra").tokens


def test_characters_of_several_tokens_are_never_torn(writers: Path) -> None:
    writer: Any = opened(writers / "llama", KNOBS._replace(prompt_tokens=3))
    prompt = writer.prompt("na\u00efve \u6d77", "\u98a8")
    assert prompt.text == "\u6d77"
    assert writer.tokenizer.decode(prompt.tokens) == "\u6d77"
    assert writer.tokenizer.decode(prompt.suffix) == "\u98a8"


def test_the_mark_of_the_beginning_is_set_where_the_tokenizer_sets_it(writers: Path) -> None:
    without, begins = opened(writers / "llama"), opened(writers / "begins")
    mark = without.prompt("").tokens
    assert len(mark) == 1
    assert begins.prompt("").tokens == mark
    assert begins.prompt("It was").tokens == (*mark, *without.prompt("It was").tokens)
    assert len(begins.prompt("a dark and stormy night").tokens) == KNOBS.prompt_tokens + 1
    assert all(made.is_finite for made in begins.write([Ask(mark, 1), Ask(mark, None)]))


# what goes wrong


def test_nan_spoils_its_own_rows_alone(writers: Path, tmp_path: Path) -> None:
    folder = tiny_writers.save("llama", tmp_path)
    weights = load_file(folder / "model.safetensors")
    poisoned = opened(folder).prompt("\x07").tokens[0]
    weights["model.embed_tokens.weight"][poisoned] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    writer, sound = opened(folder), opened(writers / "llama")
    asks = [Ask(writer.prompt(text).tokens, 3) for text in ("It was", "a \x07", "x")]
    made, wanted = writer.write(asks), sound.write(asks)
    assert [each.is_finite for each in made] == [True, False, True]
    assert (made[0], made[2]) == (wanted[0], wanted[2])
    scores = writer.score([writer.prompt("It", " w"), writer.prompt("a\x07", " w")])
    assert np.isnan(scores).tolist() == [False, True]


@pytest.mark.parametrize("change", ["weights", "kind", "code", "tokenizer", "length"])
def test_a_folder_that_is_no_writer_is_refused(tmp_path: Path, change: str) -> None:
    folder, knobs = tiny_writers.save("llama", tmp_path), KNOBS
    config = json.loads((folder / "config.json").read_text())
    message = "transformers cannot open"
    if change == "weights":
        weights = folder / "model.safetensors"
        weights.rename(folder / "pytorch_model.bin")
        message = "are not safetensors"
    elif change == "kind":
        config["model_type"] = "nothing-known"
    elif change == "code":
        config |= {"model_type": "own", "auto_map": {"AutoModelForCausalLM": "evil.Model"}}
        (folder / "evil.py").write_text("raise SystemExit('ran')")
    elif change == "tokenizer":
        for file in folder.glob("*token*"):
            file.unlink()
    else:
        knobs, message = KNOBS._replace(new_tokens=60), "looks back 64 tokens, but .* are 73"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message):
        opened(folder, knobs)


# the stage with a real model


def test_the_stage_writes_what_its_ids_say(writers: Path) -> None:
    ref = ModelRef(path=str(writers / "llama"))
    config = write.WriteConfig(
        model=ref, greedy=True, prompt_tokens=12, new_tokens=10, suffix_tokens=8, batch=4
    )
    prompt_id = prompt_id_of(text="It was")
    rows = [
        {
            "prompt_id": prompt_id,
            "sample": sample,
            "phase": "discovery" if sample < 2 else "confirmation",
            "seed": seed_of(1, prompt_id, sample),
            "text": "It was",
            "suffix": ", e",
            "work_id": "w",
            "half": "train",
            "origin": "prefix",
        }
        for sample in range(5)
    ]
    names = write.STAGE.reads["prompts"].names
    table = pa.Table.from_pylist(rows, pa.schema([PROMPTS.schema.field(name) for name in names]))
    tools = write.open_write(config, Kit())
    made = write.write({"prompts": table}, tools)
    assert made.rejected == []
    OUTPUTS.check(made.rows)
    assert set(made.rows["model_id"].to_pylist()) == {model_digest(ref)}
    parts = [write.write({"prompts": part}, tools).rows for part in (table[:2], table[2:])]
    assert pa.concat_tables(parts).equals(made.rows)
    assert len(set(made.rows["suffix_logprob"].to_pylist())) == 1
