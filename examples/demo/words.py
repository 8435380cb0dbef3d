"""A vocabulary learned from the captions, in CLIP's own format.

The stock vocabulary of CLIP has 49,408 entries, 12.6 MB of weights at the demo's width. This one
has a few hundred: the 512 bytes (each alone and each as the end of a word), so that any text at
all can be written with it, then the merges that the captions earn, then CLIP's two marks.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

START = "<|startoftext|>"
END = "<|endoftext|>"
WORD_END = "</w>"


def learn(captions: Sequence[str], merges: int, length: int) -> CLIPTokenizer:
    """A CLIP tokenizer whose byte-pair merges are learned from captions.

    Args:
        captions: The texts to learn from; each distinct text counts once.
        merges: Most merges to learn; fewer where the captions hold no more repeats.
        length: Tokens per caption, both marks included; longer captions are cut.

    Returns:
        The tokenizer; padding is the end mark, as in Stable Diffusion 1.
    """
    pairs = _learn_merges(sorted(set(captions)), merges)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    entries = [*alphabet, *(letter + WORD_END for letter in alphabet)]
    entries += ["".join(pair) for pair in pairs]
    entries = [*dict.fromkeys(entries), START, END]
    return CLIPTokenizer(
        vocab={entry: number for number, entry in enumerate(entries)},
        merges=pairs,
        model_max_length=length,
    )


def save(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """Writes a tokenizer as transformers does, and as CLIP does (vocab.json and merges.txt).

    Args:
        tokenizer: What `learn` returned.
        folder: Where the files go; made if missing.
    """
    tokenizer.save_pretrained(folder)
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), encoding="utf-8")


def _learn_merges(captions: Sequence[str], merges: int) -> list[tuple[str, str]]:
    """The merges in the order in which they apply, cut into words the way CLIP cuts them."""
    cutter = CLIPTokenizer().backend_tokenizer
    learner = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    learner.normalizer = cutter.normalizer
    learner.pre_tokenizer = cutter.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=512 + merges,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    learner.train_from_iterator(captions, trainer)
    found = json.loads(learner.to_str())["model"]["merges"]
    pairs = [tuple(pair.split(" ")) if isinstance(pair, str) else tuple(pair) for pair in found]
    return [(first, second) for first, second in pairs[:merges]]
