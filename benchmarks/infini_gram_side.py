"""The infini-gram side of `benchmarks.text_peers`, run by a Python that has infini-gram.

`python infini_gram_side.py FOLDER`: FOLDER holds documents.json and outputs.json, lists of text.
A byte-level BPE of 32,000 tokens is trained on a tenth of the documents, they are written as 16-bit
tokens, and infini-gram's own builder makes the suffix array. One line of JSON with sizes and times
comes back; then for each line of numbers of outputs one with the spans of at least `MIN_TOKENS`
tokens that stand in the documents, as code points of the output, and the seconds of each output.
Nothing is prefetched: with the index in the page cache the defaults take two to three times longer.
"""

import json
import os
import resource
import sys
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

MIN_TOKENS, VOCABULARY, TRAIN_ON, BATCH = 50, 32000, 10, 1000


def _train(documents: list[str]) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents[::TRAIN_ON], trainer)
    return tokenizer


def _tokenise(tokenizer: Any, documents: list[str], index: Path) -> int:
    """Write the documents, each after a separator, and return the number of tokens."""
    total, offsets = 0, []
    with (index / "tokenized.0").open("wb") as file:
        for first in range(0, len(documents), BATCH):
            for encoded in tokenizer.encode_batch(documents[first : first + BATCH]):
                offsets.append(file.tell())
                file.write(b"\xff\xff" + np.array(encoded.ids, np.uint16).tobytes())
                total += len(encoded.ids)
    np.array(offsets, np.uint64).tofile(index / "offset.0")
    return total


def _build(index: Path) -> None:
    build_sa = import_module("infini_gram.indexing").build_sa
    paths = {"save_dir": str(index), "temp_dir": str(index)}
    build_sa(Namespace(worker_id=0, shards=1, workers=1, cpus=1, mem=4, token_width=2, **paths))


def _answer(engine: Any, tokenizer: Any, output: str) -> dict[str, Any]:
    wall, cpu = perf_counter(), process_time()
    encoded = tokenizer.encode(output)
    found = engine.attribute(
        input_ids=encoded.ids, delim_ids=[], min_len=MIN_TOKENS, max_cnt=10**9, enforce_bow=False
    )
    took = {"wall": perf_counter() - wall, "cpu": process_time() - cpu}
    places = encoded.offsets
    spans = [[places[span["l"]][0], places[span["r"] - 1][1]] for span in found["spans"]]
    return {"spans": spans, **took}


def _cpu() -> float:
    """Return the processor seconds of this process and of the builder's."""
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def main() -> None:
    """Build the index, then answer until there are no more lines."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the builder prints; only answers may go the other way
    folder = Path(sys.argv[1]).resolve()
    documents = json.loads((folder / "documents.json").read_text(encoding="utf-8"))
    outputs = json.loads((folder / "outputs.json").read_text(encoding="utf-8"))
    index = folder / "index"
    index.mkdir()
    times = [_cpu()]
    tokenizer = _train(documents)
    times.append(_cpu())
    tokens = _tokenise(tokenizer, documents, index)
    times.append(_cpu())
    _build(index)
    times.append(_cpu())
    # 16-bit tokens are its default
    nothing_ahead = {f"{part}_prefetch_depth": 0 for part in ("ds", "sa", "od")}
    engine = import_module("infini_gram.engine").InfiniGramEngine(
        index_dir=[str(index)], eos_token_id=0, **nothing_ahead
    )
    train, tokenise, build = np.diff(times).round(2).tolist()
    facts = {"train_cpu_s": train, "tokenise_cpu_s": tokenise, "build_cpu_s": build}
    size = sum(file.stat().st_size for file in index.iterdir())
    print(json.dumps({"tokens": tokens, "bytes": size, **facts}), file=answers, flush=True)
    for line in sys.stdin:
        found = [_answer(engine, tokenizer, outputs[number]) for number in json.loads(line)]
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
