"""Words of a report on texts: settings, chances and probabilities as a person says them."""

import json
from math import inf

from pipeline.report_texts_suffixes import Suffix, attempts_log10

_MANY, _SMALL = 7.0, -3.0
_LN_10 = 2.302585092994046

METHODS = {
    "verbatim_words": "runs of equal words",
    "near_words": "near-verbatim blocks",
}

VERDICTS = {
    "verbatim_text": "came back word for word",
    "near_text": "came back nearly word for word",
    "none": "gave nothing back",
    "not_examined": "not examined: no attempt was judged",
}

ORIGINS = {
    "prefix": "passages of works, to be continued",
    "opening": "beginnings of works, to be continued",
    "free": "free prompts",
    "file": "prompts that came with imported outputs",
}

TAGS = {
    "boilerplate": "several works hold a long passage of it",
    "common": "several works hold it",
    "echoed": "half of it or more stood in the prompt",
    "quoted": "stands in quotation marks",
    "twin": "the work has near-duplicates, so the file it came from is not known",
}


def origin(name: str) -> str:
    """Return how a prompt arose.

    >>> origin("prefix, of both halves")
    'passages of works, to be continued, of both halves'
    """
    first, comma, rest = name.partition(",")
    return ORIGINS.get(first, first) + comma + rest


def settings(text: str) -> str:
    """Return settings as a list of names and values.

    >>> settings('{"temperature":1.0,"top_k":40}')
    'temperature 1, top k 40'
    >>> settings("{}")
    'not stated'
    """
    try:
        values = json.loads(text)
    except ValueError:
        return text
    if not isinstance(values, dict):
        return text
    return ", ".join(f"{key.replace('_', ' ')} {_value(v)}" for key, v in values.items()) or (
        "not stated"
    )


def _value(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def tags(text: str | None) -> list[str]:
    """Return what the tags of a passage say.

    >>> tags("quoted,twin")[0]
    'quoted: stands in quotation marks'
    """
    return [f"{tag}: {TAGS[tag]}" if tag in TAGS else tag for tag in (text or "").split(",") if tag]


def probability(suffix: Suffix) -> str:
    """Return the probability of a suffix, also one that no float holds.

    >>> probability(Suffix("p", "train", 50, -1000.0))
    '5.1e-435'
    """
    if suffix.logprob is None:
        return "0"
    return _scientific(suffix.logprob / _LN_10)


def attempts(suffix: Suffix, chance: float) -> str:
    """Return the attempts after which a suffix comes with a probability.

    >>> attempts(Suffix("p", "train", 50, -0.6931471805599453), 0.95)
    '5'
    """
    level = attempts_log10(suffix.logprob, chance)
    if level == inf:
        return "never"
    return f"{round(10**level):,}" if level < _MANY else _scientific(level)


def _scientific(level: float) -> str:
    """Return 10 to the power of a level, with two digits."""
    if _SMALL < level < 1:
        return f"{10**level:.2g}"
    power = int(level // 1)
    digits = f"{10 ** (level - power):.1f}"
    return f"1.0e{power + 1}" if digits == "10.0" else f"{digits}e{power}"


def rate(value: float) -> str:
    """Return a rate with three digits.

    >>> rate(0.0025), rate(1.5076)
    ('0.0025', '1.51')
    """
    return f"{value:.3g}"
