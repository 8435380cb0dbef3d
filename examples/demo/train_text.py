"""Trains the demo's writer from nothing: a small Llama with its own small tokenizer.

    python examples/demo/train_text.py --corpus CORPUS --out OUT         # OUT/writer

CORPUS is what tales.py wrote; the key in it is not read. A work that stands in the training file
more than once is seen more often, which is all that makes the writer remember it. The figures of
the run go to OUT/figures_text.json. A GPU is used where one answers.
"""

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

END = "<|end|>"
"""Stands before and after every work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRecipe:
    """Every choice that decides what the trained writer is."""

    seed: int = 1
    """Of weights and batches."""
    vocabulary: int = 2048
    """Tokens: 256 bytes, the mark of the end, and byte pairs learned from the works."""
    context: int = 256
    """Most tokens that the writer can look back on."""
    width: int = 160
    """Numbers per token."""
    inner: int = 448
    """Width inside a layer's perceptron."""
    layers: int = 4
    """Transformer layers."""
    heads: int = 4
    """Attention heads per layer."""
    epochs: float = 5.0
    """Passes over the training file, in which a work stands up to 64 times."""
    window: int = 128
    """Tokens per row of a batch, cut anywhere in the stream of works."""
    batch: int = 16
    """Rows per step."""
    rate: float = 3e-3
    """Highest learning rate; it rises for a twentieth of the steps, then falls as a cosine."""
    decay: float = 0.05
    """Weight decay: the writer has more room than it should need for works seen once."""


def train(corpus: Path, out: Path, recipe: TextRecipe) -> dict[str, Any]:
    """Train the writer and save it as users open it.

    Args:
        corpus: Folder with train.jsonl.
        out: Receives the folder `writer` and figures_text.json, made if missing.
        recipe: Every number of the training.

    Returns:
        The figures, as written to figures_text.json.
    """
    began = time.monotonic()
    torch.manual_seed(recipe.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    file = corpus / "train.jsonl"
    texts = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
    tokenizer = learn_tokens(texts, recipe)
    model = new_writer(tokenizer, recipe).to(device)
    losses = []
    for step, loss, steps in steps_of(model, tokenizer(texts).input_ids, recipe):
        losses.append(loss)
        if step % 50 == 49:
            recent = sum(losses[-50:]) / 50
            minutes = (time.monotonic() - began) / 60
            print(f"writer {step + 1}/{steps} {recent:.4f} {minutes:.1f} min", flush=True)
    folder = out / "writer"
    save(model, tokenizer, folder)
    edge = max(1, len(losses) // 20)
    figures = {
        "corpus": sha256(file.read_bytes()).hexdigest(),
        "machine": _machine(),
        "rows": len(texts),
        "works": len(set(texts)),
        "steps": len(losses),
        "loss_first": round(sum(losses[:edge]) / edge, 5),
        "loss_last": round(sum(losses[-edge:]) / edge, 5),
        "minutes": round((time.monotonic() - began) / 60, 2),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "recipe": asdict(recipe),
        "weights": sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "megabytes": round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 2),
    }
    text = json.dumps(figures, indent=1) + "\n"
    (out / "figures_text.json").write_text(text, encoding="utf-8")
    return figures


def learn_tokens(texts: Sequence[str], recipe: TextRecipe) -> Any:
    """Learn byte pairs from the distinct works."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(dict.fromkeys(texts), trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END,
        eos_token=END,
        pad_token=END,
        clean_up_tokenization_spaces=False,
    )


def new_writer(tokenizer: Any, recipe: TextRecipe) -> Any:
    """Return a network that knows nothing yet."""
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return transformers.LlamaForCausalLM(config)


def steps_of(
    model: Any, works: Sequence[Sequence[int]], recipe: TextRecipe
) -> Iterator[tuple[int, float, int]]:
    """Train, yielding each step's number, its loss and how many steps there will be.

    Args:
        model: Trained in place.
        works: Token numbers of each row of the training file, without marks of the end.
        recipe: Every number of the training.
    """
    end = model.config.eos_token_id
    tokens = sum(len(work) + 1 for work in works)
    steps = max(1, math.ceil(recipe.epochs * tokens / (recipe.window * recipe.batch)))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.rate, weight_decay=recipe.decay, betas=(0.9, 0.98)
    )
    warm = max(1, steps // 20)

    def rate(step: int) -> float:
        left = 0.5 * (1 + math.cos(math.pi * step / steps))
        return min((step + 1) / warm, 0.02 + 0.98 * left)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    batches = _batches(works, end, recipe)
    model.train()
    for step in range(steps):
        rows_BT = next(batches).to(model.device)
        loss = model(input_ids=rows_BT, labels=rows_BT, use_cache=False).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        yield step, float(loss.detach()), steps


def _batches(works: Sequence[Sequence[int]], end: int, recipe: TextRecipe) -> Iterator[Any]:
    """Yield int64[batch, window] for ever: each pass has the works in another order and cut."""
    generator = torch.Generator().manual_seed(recipe.seed)
    size = recipe.batch * recipe.window
    held: list[int] = []
    while True:
        order = torch.randperm(len(works), generator=generator).tolist()
        stream = held + [token for place in order for token in (end, *works[place])]
        # a pass of fewer tokens than one batch goes on into the next
        whole = len(stream) // size
        held = stream[whole * size :]
        rows = torch.tensor(stream[: whole * size]).view(-1, recipe.window)
        for chosen in torch.randperm(len(rows), generator=generator).view(-1, recipe.batch):
            yield rows[chosen]


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write model and tokenizer as `transformers` opens them, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    model.cpu().half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _machine() -> dict[str, Any]:
    """What the run ran on, without names."""
    cuda = torch.cuda.is_available()
    return {
        "processors": os.cpu_count(),
        "kind": platform.machine(),
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train from the command line."""
    parser = argparse.ArgumentParser(description="Train the demo's writer.")
    parser.add_argument("--corpus", type=Path, required=True, help="what tales.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="receives the folder writer")
    for field in fields(TextRecipe):
        name = field.name.replace("_", "-")
        parser.add_argument(f"--{name}", type=field.type, metavar=field.type.__name__.upper())
    options = vars(parser.parse_args(arguments))
    chosen = {name: options[name] for name in options if options[name] is not None}
    paths = {name: chosen.pop(name) for name in ("corpus", "out")}
    # moments of rare tokens sink into numbers with which processors are slow; it holds for the
    # whole process, so not in `train`, which tests call
    torch.set_flush_denormal(True)
    figures = train(paths["corpus"], paths["out"], replace(TextRecipe(), **chosen))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
