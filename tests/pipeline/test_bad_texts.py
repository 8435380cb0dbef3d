"""Bad input from files to passages: whatever dress a work wears, its words are found and placed.

Each work holds a passage in a dress of its own, and an output holds the same passage as it is.
"""

import json
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from indexes.words import normal, split
from pipeline.cli import main
from stages.tables import MATCHES, OUTPUTS, SPANS, TEXT_WORKS, TEXTS
from tests.pipeline.test_texts import attempt, rows_of, write_lines

CASE = """
name: bad texts
setting: randomised
train_texts: {sources: [{path: plain}, {path: pages}, {path: old, encoding: cp1252}]}
control_texts: {sources: [{path: control.jsonl}]}
outputs: {sources: [{path: outputs.jsonl}]}
cluster: {kind: inline, threads: 1}
"""
LONG = 60
TOO_MANY_REJECTED = 3
DICE = random.Random(11)


class Script(NamedTuple):
    """Signs that words are made of."""

    signs: str
    spaced: bool = True

    def prose(self, words: int) -> str:
        if not self.spaced:
            return "".join(DICE.choices(self.signs, k=words))
        return " ".join("".join(DICE.choices(self.signs, k=6)) for _ in range(words))


LATIN = Script("abcdefghiklmnoprstu")
ACCENTED = Script("aeiou\u00e9\u00fc\u00f1\u00e7lmnrst")
HEBREW = Script("".join(map(chr, range(0x5D0, 0x5EA))))
ARABIC = Script("".join(map(chr, range(0x628, 0x63A))))
CHINESE = Script("".join(map(chr, range(0x5000, 0x5200))), spaced=False)
JAPANESE = Script("".join(map(chr, (*range(0x3042, 0x3090), *range(0x6000, 0x6100)))), spaced=False)
THAI = Script("".join(map(chr, range(0xE01, 0xE2F))), spaced=False)


class Dress(NamedTuple):
    """How the file of a work looks."""

    wear: Callable[[str], str] = str
    """What becomes of the passage."""
    file: str = "plain/{}.txt"
    encode: Callable[[str], bytes] = str.encode
    script: Script = LATIN


def inside(sign: str) -> Callable[[str], str]:
    return lambda text: " ".join(word[:3] + sign + word[3:] for word in text.split())


def spoilt(text: str) -> bytes:
    """Return UTF-8 with bytes that belong to no character before, in and behind the text."""
    words = text.encode().split(b" ")
    return b"\xff\xe2\x82 " + b" \xfe".join([b" ".join(words[:20]), b" ".join(words[20:])])


DRESSES = {
    "invalid UTF-8": Dress(encode=spoilt),
    "another normal form": Dress(lambda t: unicodedata.normalize("NFD", t), script=ACCENTED),
    "zero width": Dress(inside("\u200b")),
    "bidirectional marks": Dress(lambda text: f"\u202e{inside(chr(0x2066))(text)}\u2069\u202c"),
    "soft hyphens": Dress(inside("\u00ad")),
    "ligatures": Dress(lambda text: text.replace("fi", "\ufb01").replace("fl", "\ufb02")),
    "OCR line breaks": Dress(inside("-\n")),
    "UTF-16": Dress(encode=lambda text: f"\ufeff{text}".encode("utf-16-le")),
    "mark and line ends": Dress(
        lambda text: text.replace(" ", "\r\n"), encode=lambda text: b"\xef\xbb\xbf" + text.encode()
    ),
    "one byte per character": Dress(
        file="old/{}.txt", encode=lambda text: text.encode("cp1252"), script=ACCENTED
    ),
    "markdown": Dress(lambda text: " ".join(f"**{word}**" for word in text.split()), "plain/{}.md"),
    "HTML": Dress(
        lambda text: "<p>" + text.replace(" ", "</i> &amp;\n<i>") + "</p>", "pages/{}.html"
    ),
    "Hebrew": Dress(script=HEBREW),
    "Arabic": Dress(lambda text: text.replace(" ", "\u060c "), script=ARABIC),
    "Chinese": Dress(lambda text: f"{text[:9]}\u3002\n{text[9:]}", script=CHINESE),
    "Japanese": Dress(script=JAPANESE),
    "Thai": Dress(lambda text: f"{text[:9]} {text[9:]}", script=THAI),
}
PASSAGES = {name: dress.script.prose(LONG) for name, dress in DRESSES.items()}
PASSAGES["ligatures"] = " ".join(word + "fix" for word in PASSAGES["ligatures"].split())
TWICE, PROMPT = LATIN.prose(200), LATIN.prose(LONG)


def forms(text: str) -> list[str]:
    words = split([text])
    places = zip(words.starts_N.tolist(), words.ends_N.tolist(), strict=True)
    return [normal(text[start:end]) for start, end in places]


def place_of(name: str) -> str:
    return DRESSES[name].file.format(list(DRESSES).index(name))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    made = []
    for name, dress in DRESSES.items():
        text = f"{dress.script.prose(90)}\n{dress.wear(PASSAGES[name])}\n{dress.script.prose(90)}"
        path = folder / place_of(name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(dress.encode(text))
        made.append(attempt(name, 0, f"{LATIN.prose(30)} {PASSAGES[name]} {LATIN.prose(30)}"))
    for name in ("first", "second"):
        (folder / "plain" / f"{name}.txt").write_text(TWICE)
    (folder / "plain" / "empty.txt").write_text("")
    (folder / "plain" / "asked.txt").write_text(f"{LATIN.prose(99)} {PROMPT} {LATIN.prose(99)}")
    made.append(attempt("twice", 0, " ".join(TWICE.split()[50:120])))
    made.append(attempt(PROMPT, 0, PROMPT))
    write_lines(folder / "outputs.jsonl", made)
    write_lines(folder / "control.jsonl", [{"text": LATIN.prose(400)} for _ in range(4)])
    (folder / "case.yaml").write_text(CASE)
    assert main(["run", str(folder / "case.yaml")]) == TOO_MANY_REJECTED
    return folder / "case.yaml"


def texts_of(case: Path) -> dict[str, dict[str, Any]]:
    return {row["text_id"]: row for row in rows_of(case, TEXTS, "train.texts", "control.texts")}


def output_of(case: Path, prompt: str) -> dict[str, Any]:
    (row,) = (row for row in rows_of(case, OUTPUTS, "made.outputs") if row["prompt"] == prompt)
    return row


@pytest.mark.parametrize("name", DRESSES)
def test_a_passage_is_found_whole_and_placed_in_the_characters_and_bytes_of_both_sides(
    case: Path, name: str
) -> None:
    output, texts = output_of(case, name), texts_of(case)
    spans = [s for s in rows_of(case, SPANS, "made.spans") if s["output_id"] == output["output_id"]]
    (span,) = (span for span in spans if span["kind"] == "verbatim")
    assert span["words"] == len(forms(PASSAGES[name])) == LONG
    made = output["text"][span["output_start"] : span["output_end"]]
    assert made == PASSAGES[name]
    raw_output = output["text"].encode()
    assert raw_output[span["output_start_byte"] : span["output_end_byte"]].decode() == made
    work = texts[span["text_id"]]
    held = work["text"][span["text_start"] : span["text_end"]]
    assert forms(held) == forms(made)
    data = (case.parent / place_of(name)).read_bytes()
    if name == "HTML":
        assert span["text_start_byte"] is None
        return
    cut = data[span["text_start_byte"] : span["text_end_byte"]]
    codec = "utf-16-le" if name == "UTF-16" else work["encoding"].removesuffix("-sig")
    assert cut.decode(codec, errors="replace") == held


def test_no_work_is_named_that_does_not_hold_the_passage(case: Path) -> None:
    texts = texts_of(case)
    held = {
        (row["prompt_id"], texts[row["neighbor_id"]]["place"].partition(":")[2])
        for row in rows_of(case, MATCHES, "made.text_matches")
    }
    expected = {(output_of(case, n)["prompt_id"], Path(place_of(n)).name) for n in DRESSES}
    expected.add((output_of(case, "twice")["prompt_id"], "first.txt"))
    expected.add((output_of(case, PROMPT)["prompt_id"], "asked.txt"))
    assert {(prompt, place.replace("second", "first")) for prompt, place in held} == expected


def test_an_output_equal_to_its_prompt_gave_nothing_back(case: Path) -> None:
    output = output_of(case, PROMPT)
    assert output["text"] == output["prompt"]
    (match,) = (
        row
        for row in rows_of(case, MATCHES, "made.text_matches")
        if row["made_id"] == output["output_id"]
    )
    assert (match["run_words"], match["words_8"], match["echoed_words"]) == (0, 0, LONG)


def test_a_work_that_appears_twice_is_one_work(case: Path) -> None:
    places = {row["text_id"]: row["place"] for row in texts_of(case).values()}
    works = [
        row
        for row in rows_of(case, TEXT_WORKS, "input.text_works")
        if places[row["text_id"]] in {"0:first.txt", "0:second.txt"}
    ]
    assert len({row["text_id"] for row in works}) == 2
    assert len({row["work_id"] for row in works}) == 1
    assert {row["num_exact"] for row in works} == {2}
    output = output_of(case, "twice")
    matches = [
        row
        for row in rows_of(case, MATCHES, "made.text_matches")
        if row["made_id"] == output["output_id"]
    ]
    assert [(row["work_id"], row["run_words"]) for row in matches] == [(works[0]["work_id"], 70)]
    assert {row["num_holders"] for row in matches} == {1}


def test_an_empty_work_is_rejected_with_its_place(
    case: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    assert main(["run", str(case), "--json"]) == TOO_MANY_REJECTED
    steps = json.loads(capfd.readouterr().out)["steps"]
    assert {s["dataset"]: s["rejected"] for s in steps if s["rejected"]} == {"train.texts": 1}
    assert all(row["place"] != "0:empty.txt" for row in texts_of(case).values())
