"""A small case with one person's works in it, and a search for them in every byte of a run."""

import io
import json
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.store import Store
from stages.pixels import decode, resize
from tests.stages import tiny_models, tiny_writers

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo"
PERSON = "Quilla Vantongue"
CASE = f"""
name: small
setting: randomised
max_rejected: 0.5
train: {{sources: [{{path: train}}, {{path: more.parquet}}]}}
control: {{sources: [{{path: control}}]}}
suspect: {{sources: [{{path: suspect}}]}}
models:
  toy: {{model: {{path: sd}}, steps: 1, guidance: 1.0, batch: 2}}
embed: {{model: {{path: {DEMO}/clip}}, batch: 4}}
prompts: {{seeds: 2, discovery: 1, block: 2, duplicated: 0, random_train: 3, random_control: 1,
  file: captions.txt, templates: ["a picture by {{artist}}"], artists: [{PERSON}]}}
assess: {{q: 0.5}}
probes: {{works: 2, texts: 2}}
train_texts: {{sources: [{{path: texts}}, {{path: train.jsonl}}]}}
control_texts: {{sources: [{{path: control.jsonl}}]}}
outputs: {{sources: [{{path: outputs.jsonl}}]}}
writers:
  toy: {{model: {{path: gpt2}}, new_tokens: 8, prompt_tokens: 8, suffix_tokens: 8, batch: 2}}
openings: {{seeds: 2, discovery: 1, block: 2, works: 6, duplicated: 0}}
text_index: {{}}
cluster: {{kind: inline, threads: 1}}
"""

Needles = Mapping[str, bytes]

_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def png(number: int) -> bytes:
    """Return a few large random rectangles: no two of them alike."""
    dice = np.random.default_rng(number)
    rgb = np.full((48, 48, 3), dice.integers(0, 255, 3), np.uint8)
    for _ in range(12):
        x, y = dice.integers(0, 36, 2)
        w, h = dice.integers(6, 30, 2)
        rgb[y : y + h, x : x + w] = dice.integers(0, 255, 3)
    return saved(rgb)


def saved(rgb_hwc: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb_hwc).save(out, "png")
    return out.getvalue()


def noisy(raw: bytes, seed: int) -> bytes:
    rgb = np.asarray(Image.open(io.BytesIO(raw)), np.int16)
    rgb = rgb + np.random.default_rng(seed).integers(-9, 10, rgb.shape)
    return saved(np.clip(rgb, 0, 255).astype(np.uint8))


def _put(folder: Path, name: str, raw: bytes, about: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.png").write_bytes(raw)
    (folder / f"{name}.json").write_text(json.dumps(about))


def _about(name: str, artist: str) -> dict[str, str]:
    return {"caption": f"captionof{name} drawn", "title": f"titleof{name}", "artist": artist}


def build(folder: Path) -> Path:
    """Write the case. The person has images 0 to 3 and 30, 31, texts 0, 1 and a control text."""
    for n in range(30):
        hers = n < 4
        place = folder / "train" / ("vantongue-studio" if hers else "others")
        name = f"{'hers' if hers else 'other'}{n:02d}"
        _put(place, name, png(n), _about(name, PERSON if hers else f"Other {n % 3}"))
        _put(folder / "control", f"control{n:02d}", png(1000 + n), _about(f"c{n:02d}", "Other 1"))
    # one of hers lies under another name too, as a near-duplicate
    _put(folder / "train" / "others", "borrowed", noisy(png(0), 5), _about("borrowed", "Other 2"))
    rows = [
        {
            "image": png(n),
            **_about(f"{'hers' if n < 32 else 'other'}{n}", PERSON if n < 32 else "A"),
        }
        for n in range(30, 36)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "more.parquet")
    for n in (1, 2, 30, 10, 11):
        _put(folder / "suspect", f"copy{n}", noisy(png(n), n), {"caption": f"somebody asked {n}"})
    (folder / "captions.txt").write_text("a first caption\ncaptionofhers01 drawn\n")
    _texts(folder)
    tiny_models.save("sd1", folder / "sd")
    tiny_writers.save("gpt2", folder / "gpt2")
    (folder / "case.yaml").write_text(CASE)
    return folder / "case.yaml"


def _texts(folder: Path) -> None:
    dice = random.Random(3)
    vocabulary = [f"word{n:04d}" for n in range(3000)]

    def prose(count: int) -> list[str]:
        return dice.choices(vocabulary, k=count)

    def hers(tag: str) -> list[str]:
        words = prose(300)
        words[5::10] = [f"canary{tag}{n}" for n in range(len(words[5::10]))]
        return words

    texts = {name: hers(name) for name in ("alpha", "beta", "gamma")}
    (folder / "texts").mkdir()
    (folder / "texts" / "vantongue alpha.txt").write_text(" ".join(texts["alpha"]))
    (folder / "texts" / "vantongue alpha.json").write_text(json.dumps({"author": PERSON}))
    (folder / "texts" / "plain.txt").write_text(" ".join(prose(300)))
    others = [prose(300) for _ in range(4)]
    train = [{"text": " ".join(texts["beta"]), "author": "VANTONGUE, Quilla", "title": "Betatitle"}]
    train += [{"text": " ".join(words), "author": "Other 1"} for words in others]
    control = [{"text": " ".join(texts["gamma"]), "author": PERSON}]
    control += [{"text": " ".join(prose(300)), "author": "Other 1"} for _ in range(4)]
    said = [prose(20) + texts["alpha"][40:120] + prose(20), prose(60), others[0][10:90]]
    outputs: list[dict[str, Any]] = [
        {"prompt": f"go on {n}", "attempt": 0, "model": "m", "output": " ".join(words)}
        for n, words in enumerate(said)
    ]
    outputs.append({"prompt": " ".join(texts["beta"][20:60]), "model": "m", "output": "no thanks"})
    for name, rows in (("train", train), ("control", control), ("outputs", outputs)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def needles(store: Store, traces: Any) -> Needles:
    """Return what must not be found once everything of the person is gone."""
    return _said(traces) | _pictures() | _vectors(store, traces)


def _said(traces: Any) -> dict[str, bytes]:
    found = {"name": b"Vantongue", "folder": b"vantongue", "surname": b"VANTONGUE"}
    found |= {f"text {tag}": f"canary{tag}".encode() for tag in ("alpha", "beta", "gamma")}
    found |= {"caption": b"captionofhers", "title": b"titleofhers", "text title": b"Betatitle"}
    for kind in ("ids", "works", "prompts", "made", "sha256"):
        for number, value in enumerate(sorted(getattr(traces, kind))):
            found[f"{kind} {number}"] = value.encode()
    return found


def _pictures() -> dict[str, bytes]:
    found = {}
    for n in (0, 1, 2, 3, 30, 31):
        raw = png(n)
        found[f"file {n}"] = raw[60:160]
        found[f"pixels {n}"] = resize(decode(raw).rgb_HWC, 64).tobytes()[3000:3200]
    for n in (1, 2, 30):
        found[f"copy {n}"] = noisy(png(n), n)[60:160]
    return found


def _vectors(store: Store, traces: Any) -> dict[str, bytes]:
    found = {}
    for row in _rows(store, ("train.embeddings", "made.embeddings")):
        if row["image_id"] in traces.ids | traces.made:
            vector = np.asarray(row["vector"], np.float32).tobytes()
            found[f"vector {row['image_id']}"] = vector[:32]
    for row in _rows(store, ("made.sampled",)):
        if row["image_id"] in traces.made:
            found[f"generation {row['image_id']}"] = row["bytes"][60:160]
    return found


def _rows(store: Store, datasets: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for name in datasets:
        for record in store.current(name):
            for part in record.parts:
                yield from store.read(part, list(part.columns)).to_pylist()


def found_in(root: Path, wanted: Needles) -> dict[str, list[str]]:
    """Return needle -> files that hold it, raw or in any decoded column."""
    out: dict[str, list[str]] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            raw = [path.read_bytes(), path.relative_to(root).as_posix().encode()]
            if path.suffix == ".parquet":
                raw += [_decoded(column) for column in pq.read_table(path).columns]
            digests = {found for each in raw for found in _DIGEST.findall(each)}
            for name, value in wanted.items():
                is_digest = _DIGEST.fullmatch(value) is not None
                if value in digests if is_digest else any(value in each for each in raw):
                    out.setdefault(name, []).append(path.relative_to(root).as_posix())
    return out


def _decoded(column: Any) -> bytes:
    flat = column.combine_chunks()
    if pa.types.is_large_list(flat.type):
        flat = flat.flatten()
    if pa.types.is_floating(flat.type) or pa.types.is_integer(flat.type):
        return bytes(flat.drop_null().to_numpy(zero_copy_only=False).tobytes())
    parts = (v if isinstance(v, bytes) else str(v).encode() for v in flat.to_pylist())
    return b"\0".join(parts)
