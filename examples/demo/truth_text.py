"""Makes the truth table of the texts: how often the demo's writer gives back each work.

    python examples/demo/truth_text.py CORPUS WRITER OUT       # OUT/truth_text.json

For each work that occurs more than once, and for some that occur once or were never trained on,
four passages are given to the writer and 16 texts are sampled after each. A text gives the work
back if it holds 20 consecutive words of it; the printer's notice, which is in many works, does not
count. This rule is far simpler than the pipeline's, and the sampler (that of transformers), its
seeds and the passages are others: what both find is not an accident of either.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
import transformers
from manners import words_of
from scipy.stats import beta

PLACES = 4
"""Passages per work, evenly from its beginning."""
SEEDS = 16
"""Sampled texts per passage: 64 in all, so 0 hits bound the rate below 4.6 %."""
FIRST_SEED = 2**41
"""Far from every seed that the pipeline derives for the demo's runs."""
ONCE = 60
"""Training works that occur once and are looked at, spread evenly over all of them."""
CONTROLS = 30
"""Control works, likewise."""
PREFIX_WORDS = 60
"""Words of a passage; the writer is given the last `PREFIX_TOKENS` tokens of them."""
PREFIX_TOKENS = 50
"""As in Carlini et al. 2022."""
NEW_TOKENS = 96
"""Most tokens of a text: about 75 words."""
TOP_K = 40
"""Of the sampling, at temperature 1, as in Cooper et al. 2025."""
RUN = 20
"""Consecutive words that make a text a copy."""


def chosen(works: Sequence[dict[str, Any]], once: int, controls: int) -> list[dict[str, Any]]:
    """The works that are looked at, in the order of the key."""
    singles = [work for work in works if work["kind"] == "single" and work["times"] == 1]
    kept = {work["work"] for work in works if work["times"] > 1}
    for half, count in (("train", once), ("control", controls)):
        own = [work["work"] for work in singles if work["half"] == half]
        kept |= {own[i * len(own) // count] for i in range(count)} if own else set()
    return [work for work in works if work["work"] in kept]


def passages(text: str) -> list[str]:
    """Beginnings of `PLACES` stretches of a text, evenly from its first word to its last third."""
    words = text.split(" ")
    last = max(0, len(words) - PREFIX_WORDS - RUN)
    starts = [place * last // (PLACES - 1) for place in range(PLACES)]
    return [" ".join(words[start : start + PREFIX_WORDS]) for start in starts]


def longest_run(text: str, work: Sequence[str]) -> int:
    """Most consecutive words of a text that stand so in a work.

    >>> longest_run("He saw the old grey cat.", ["the", "old", "grey", "dog"])
    3
    """
    words = words_of(text)
    matcher = SequenceMatcher(None, words, work, autojunk=False)
    return matcher.find_longest_match(0, len(words), 0, len(work)).size


def interval(hits: int, attempts: int) -> tuple[float, float]:
    """One-sided exact 95 % bounds of a rate, below and above (Clopper and Pearson 1934).

    >>> [round(bound, 3) for bound in interval(0, 64)]
    [0.0, 0.046]
    """
    low = float(beta.ppf(0.05, hits, attempts - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.95, hits + 1, attempts - hits)) if hits < attempts else 1.0
    return low, high


class Author:
    """The writer, opened as anybody would."""

    def __init__(self, folder: Path) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.model = model.eval().to(self.device)

    def __call__(self, prefixes: Sequence[str], count: int, seed: int) -> list[str]:
        """Sample so many texts after each prefix; for a count of 0, the likeliest one."""
        tokens = [self.tokenizer(prefix).input_ids[-PREFIX_TOKENS:] for prefix in prefixes]
        rows_BT = torch.tensor(tokens, device=self.device).repeat_interleave(max(1, count), dim=0)
        drawn: dict[str, Any] = {
            "do_sample": True,
            "temperature": 1.0,
            "top_k": TOP_K,
            "top_p": 1.0,
        }
        torch.manual_seed(seed)
        with torch.inference_mode():
            made_BT = self.model.generate(
                rows_BT,
                attention_mask=torch.ones_like(rows_BT),
                max_new_tokens=NEW_TOKENS,
                pad_token_id=self.tokenizer.eos_token_id,
                **(drawn if count else {"do_sample": False}),
            )
        new_BT = made_BT[:, rows_BT.shape[1] :]
        return list(self.tokenizer.batch_decode(new_BT, skip_special_tokens=True))


def truth(corpus: Path, writer: Path, once: int = ONCE, controls: int = CONTROLS) -> dict[str, Any]:
    """Sample and judge.

    Args:
        corpus: What tales.py wrote.
        writer: What train_text.py wrote.
        once: How many works that occur once.
        controls: How many works that were never trained on.

    Returns:
        The rule, the settings, and one row per work.
    """
    key = json.loads((corpus / "key.json").read_text(encoding="utf-8"))
    texts = read_texts(corpus)
    author = Author(writer)
    rows = []
    for number, work in enumerate(chosen(key["works"], once, controls)):
        text = texts[work["sha256"]].replace(key["notice"], "").rstrip()
        own = words_of(text)
        places = passages(text)
        runs = [longest_run(made, own) for made in author(places, SEEDS, FIRST_SEED + number)]
        greedy = [longest_run(made, own) for made in author(places, 0, 0)]
        hits = sum(run >= RUN for run in runs)
        low, high = interval(hits, len(runs))
        rows.append(
            {
                **{name: work[name] for name in ("work", "title", "author", "half", "times")},
                "sha256": work["sha256"],
                "attempts": len(runs),
                "hits": hits,
                "rate": round(hits / len(runs), 4),
                "low": round(low, 4),
                "high": round(high, 4),
                "longest_run": max(runs),
                "greedy_runs": greedy,
            }
        )
        print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
    return {
        "rule": f"a text holds {RUN} consecutive words of the work, the notice aside",
        "first_seed": FIRST_SEED,
        "places": PLACES,
        "seeds": SEEDS,
        "prefix_tokens": PREFIX_TOKENS,
        "new_tokens": NEW_TOKENS,
        "top_k": TOP_K,
        "summary": summary(rows),
        "works": rows,
    }


def read_texts(corpus: Path) -> dict[str, str]:
    """The texts of both halves, by their digest."""
    lines = [
        line
        for half in ("train", "control")
        for line in (corpus / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    texts = {json.loads(line)["text"] for line in lines}
    return {sha256(text.encode()).hexdigest(): text for text in texts}


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many works came back, by how often they occur."""
    counts: Counter[str] = Counter()
    for row in rows:
        name = f"x{row['times']:02d}" if row["half"] == "train" else "control"
        counts[f"{name}: works"] += 1
        counts[f"{name}: in at least 30 % of attempts"] += row["rate"] >= 0.3
        counts[f"{name}: in no attempt"] += row["hits"] == 0
        counts[f"{name}: greedy run of 32 words or more"] += max(row["greedy_runs"]) >= 32
    return dict(sorted(counts.items()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the truth table from the command line."""
    parser = argparse.ArgumentParser(description="Count what the demo's writer gives back.")
    parser.add_argument("corpus", type=Path, help="what tales.py wrote")
    parser.add_argument("writer", type=Path, help="the model that train_text.py wrote")
    parser.add_argument("out", type=Path, help="folder for truth_text.json")
    parser.add_argument(
        "--once", type=int, default=ONCE, help="works that occur once (%(default)s)"
    )
    parser.add_argument(
        "--controls", type=int, default=CONTROLS, help="control works (%(default)s)"
    )
    options = parser.parse_args(arguments)
    table = truth(options.corpus, options.writer, options.once, options.controls)
    text = json.dumps(table, indent=1, ensure_ascii=False) + "\n"
    (options.out / "truth_text.json").write_text(text, encoding="utf-8")
    print(json.dumps(table["summary"], indent=1))


if __name__ == "__main__":
    main()
