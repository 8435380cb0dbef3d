"""Tiny language models with random or planted weights, made from their configs without a hub."""

from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

END = "<|end|>"
CONTEXT = 64


def tokenizer(*, begins: bool = False) -> Any:
    """Return one token per byte and a mark of the end, set before each text if `begins`."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate([*letters, END])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    if begins:
        made.post_processor = processors.TemplateProcessing(
            single=f"{END} $A", special_tokens=[(END, vocabulary[END])]
        )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=END, eos_token=END, pad_token=END
    )


def network(name: str, tokens: Any) -> Any:
    same = {
        "vocab_size": len(tokens),
        "bos_token_id": tokens.bos_token_id,
        "eos_token_id": tokens.eos_token_id,
    }
    if name == "gpt2":
        return transformers.GPT2LMHeadModel(
            transformers.GPT2Config(n_positions=CONTEXT, n_embd=16, n_layer=2, n_head=2, **same)
        )
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=CONTEXT,
            **same,
        )
    )


def save(name: str, folder: Path, *, begins: bool = False) -> Path:
    """Write a model whose next token depends strongly on what was before."""
    torch.manual_seed(20)
    tokens = tokenizer(begins=begins)
    model = network(name, tokens)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(12)
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder
