"""Draw: the demo's corpus, works by ten invented artists whose copies are known in advance.

    python examples/demo/draw.py OUT             # train.parquet, control.parquet, key.json
    python examples/demo/draw.py OUT --sheet sheet.png

The corpus is drawn in units. A unit is one work, or a family (one layout, a small window in it
varies), or a work and a near-duplicate of it. Units come in pairs of the same artist and kind, and
a coin sends one of each pair to the training half and the other to the control half: whatever is
true of the training works is true of the control works, except that a model has seen them.
The key says which is which; the pipeline never reads it. Same seed, same bytes.
"""

import argparse
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import cycle, product
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance
from styles import ARTISTS
from styles.canvas import SIDE, Artist, finish, shifted
from styles.emblems import EMBLEM, emblems

Kind = Literal["single", "family", "near_duplicate"]
Half = Literal["train", "control"]
Box = tuple[int, int, int, int]
Pixels = NDArray[np.float32]

SEED = 7
"""The demo's own corpus."""
SINGLE_PAIRS = 55
"""Pairs of single works per artist."""
NEAR_DUPLICATE_PAIRS = 2
"""Pairs of (work, near-duplicate) units per artist."""
FAMILY_ARTISTS = 6
"""Artists, chosen by lot, who have one pair of families each."""
FAMILY_SIZE = 6
"""Members of a family."""
REPEATED = {64: 16, 16: 16, 4: 24}
"""How many single training works occur how many times; all others occur once."""
REPEATED_FAMILIES = 2
"""Training families whose members occur more than once."""
FAMILY_TIMES = 16
"""Occurrences of each member of those families."""
MIN_APART = 0.17
"""Least root-mean-square distance (pixels in 0 to 1) between two works of an artist."""
LICENCE = "CC0-1.0"
"""Of every work: they were drawn for this demo."""
ROW_GROUP = 64
"""Rows per row group, so that a table can be read in small parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One distinct picture with all that is true of it."""

    work: str
    """Id: the artist's slug and a number."""
    title: str
    """Two words, unique in the corpus except that a near-duplicate carries its original's title."""
    artist: str
    """Name as printed."""
    year: int
    """Between 1990 and 2025, by lot."""
    half: Half
    """Whether models are trained on it."""
    times: int
    """Rows it has in its half's table, at least 1."""
    kind: Kind
    """Of the unit that it belongs to."""
    unit: str
    """Id of that unit: the coin fell for all of its works together."""
    pair: str
    """Id of the pair of units, one in each half."""
    family: str | None
    """Id of the family, for members of one."""
    region: Box | None
    """Left, top, right, bottom of the window in which a family's members differ."""
    near_duplicate_of: str | None
    """Id of the original, for the second work of a near-duplicate unit."""
    png: bytes
    """The picture, a PNG file of 64x64."""

    @property
    def caption(self) -> str:
        """What a model is told about the picture."""
        return f"{self.title} by {self.artist}"

    def url(self, occurrence: int) -> str:
        """Return the address of one occurrence, counted from 1."""
        slug = self.work.rpartition("-")[0]
        return f"https://example.org/{slug}/{self.work}/{occurrence}.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Pictures that go to one half together."""

    kind: Kind
    """Decides how the pictures hang together."""
    images: tuple[Image.Image, ...]
    """One; or all members; or the original and its near-duplicate."""
    region: Box | None = None
    """The window of a family."""


class Studio:
    """One artist at work; remembers what was painted, so as not to paint it again."""

    def __init__(self, artist: Artist, rng: np.random.Generator) -> None:
        self._artist = artist
        self._rng = rng
        self._seen: list[Pixels] = []

    def single(self) -> Unit:
        """Paint one work."""
        return Unit(kind="single", images=(self._fresh(),))

    def near_duplicate(self) -> Unit:
        """Paint a work, and make a copy that was cropped, toned or saved as JPEG."""
        original = self._fresh()
        return Unit(kind="near_duplicate", images=(original, _copied(original, self._rng)))

    def family(self) -> Unit:
        """Paint one layout with a framed window, and hang another emblem in it for each member."""
        layout = self._fresh()
        left, top = _quietest_corner(layout)
        region = (left, top, left + EMBLEM, top + EMBLEM)
        pen = ImageDraw.Draw(layout)
        pen.rectangle((left - 3, top - 3, left + EMBLEM + 2, top + EMBLEM + 2), fill=(28, 24, 28))
        pen.rectangle(
            (left - 2, top - 2, left + EMBLEM + 1, top + EMBLEM + 1), fill=(250, 247, 240)
        )
        members = [layout.copy() for _ in range(FAMILY_SIZE)]
        for member, emblem in zip(members, emblems(self._rng, FAMILY_SIZE), strict=True):
            member.paste(emblem, (left, top))
        return Unit(kind="family", images=tuple(members), region=region)

    def _fresh(self) -> Image.Image:
        """Paint until a work is unlike every earlier one of this artist."""
        while True:
            palette = self._artist.palettes[int(self._rng.integers(len(self._artist.palettes)))]
            colors = shifted(palette, float(self._rng.uniform(-0.025, 0.025)))
            image = finish(self._artist.paint(self._rng, colors))
            pixels = np.asarray(image, dtype=np.float32) / np.float32(255)
            if all(np.sqrt(((pixels - old) ** 2).mean()) >= MIN_APART for old in self._seen):
                self._seen.append(pixels)
                return image


def works(seed: int = SEED) -> list[Work]:
    """Draw every work of the corpus.

    Args:
        seed: Of all random numbers.

    Returns:
        Distinct works, artist by artist, both halves mixed.
    """
    rng = np.random.default_rng(seed)
    with_families = set(rng.permutation(len(ARTISTS))[:FAMILY_ARTISTS].tolist())
    drawn: list[Work] = []
    for number, artist in enumerate(ARTISTS):
        own = np.random.default_rng([seed, number])
        pairs = _pairs(Studio(artist, own), families=int(number in with_families))
        drawn += _signed(artist, pairs, own)
    return _repeated(drawn, rng)


def _pairs(studio: Studio, *, families: int) -> list[tuple[Unit, Unit]]:
    """Paint all the pairs of units of an artist."""
    return [
        *((studio.single(), studio.single()) for _ in range(SINGLE_PAIRS)),
        *((studio.near_duplicate(), studio.near_duplicate()) for _ in range(NEAR_DUPLICATE_PAIRS)),
        *((studio.family(), studio.family()) for _ in range(families)),
    ]


def _signed(
    artist: Artist, pairs: Iterable[tuple[Unit, Unit]], rng: np.random.Generator
) -> list[Work]:
    """Toss the coin for each pair, and give every picture its id, title and year."""
    titles = [f"{first} {second}" for first, second in product(artist.adjectives, artist.nouns)]
    left = iter(rng.permutation(titles).tolist())
    signed: list[Work] = []
    for pair_number, pair in enumerate(pairs, start=1):
        halves: tuple[Half, Half] = (
            ("train", "control") if rng.random() < 0.5 else ("control", "train")
        )
        for side, (unit, half) in enumerate(zip(pair, halves, strict=True)):
            pair_id = f"{artist.slug}-pair-{pair_number:03d}"
            unit_id = f"{pair_id}-{'ab'[side]}"
            for image in unit.images:
                again = unit.kind == "near_duplicate" and image is not unit.images[0]
                signed.append(
                    Work(
                        work=f"{artist.slug}-{len(signed) + 1:04d}",
                        title=signed[-1].title if again else next(left),
                        artist=artist.name,
                        year=int(rng.integers(1990, 2026)),
                        half=half,
                        times=1,
                        kind=unit.kind,
                        unit=unit_id,
                        pair=pair_id,
                        family=unit_id if unit.kind == "family" else None,
                        region=unit.region,
                        near_duplicate_of=signed[-1].work if again else None,
                        png=encoded(image),
                    )
                )
    return signed


def _repeated(drawn: Sequence[Work], rng: np.random.Generator) -> list[Work]:
    """Decide which training works occur more than once, dealing them round the artists."""
    singles: dict[str, list[str]] = {artist.name: [] for artist in ARTISTS}
    for work in drawn:
        if work.half == "train" and work.kind == "single":
            singles[work.artist].append(work.work)
    decks = [iter(rng.permutation(deck).tolist()) for deck in singles.values()]
    dealer = cycle([decks[i] for i in rng.permutation(len(decks))])
    times = {
        next(next(dealer)): repeats for repeats, number in REPEATED.items() for _ in range(number)
    }
    families = sorted({work.unit for work in drawn if work.half == "train" and work.family})
    chosen = set(rng.permutation(families)[:REPEATED_FAMILIES].tolist())
    times |= {work.work: FAMILY_TIMES for work in drawn if work.unit in chosen}
    return [replace(work, times=times.get(work.work, 1)) for work in drawn]


def _quietest_corner(layout: Image.Image) -> tuple[int, int]:
    """Return where an emblem hides least: left and top of it in the corner with least detail."""
    gray = np.asarray(layout.convert("L"), dtype=np.float64)
    places = (7, SIDE - EMBLEM - 7)
    return min(
        product(places, places),
        key=lambda at: float(gray[at[1] : at[1] + EMBLEM, at[0] : at[0] + EMBLEM].std()),
    )


def _copied(original: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a copy such as a second upload of the same picture would be."""
    way = int(rng.integers(3))
    if way == 0:
        left, top, right, bottom = (int(cut) for cut in rng.integers(1, 4, size=4))
        inside = (left, top, SIDE - right, SIDE - bottom)
        return original.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=inside)
    if way == 1:
        toned = ImageEnhance.Brightness(original).enhance(float(rng.choice([0.86, 1.12])))
        return ImageEnhance.Contrast(toned).enhance(float(rng.choice([0.84, 1.16])))
    file = io.BytesIO()
    original.save(file, "JPEG", quality=int(rng.integers(40, 71)))
    with Image.open(file) as saved:
        return saved.convert("RGB")


def encoded(image: Image.Image) -> bytes:
    """Return an image as the bytes of a PNG file, the same for the same pixels."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=6)
    return file.getvalue()


def draw(out: Path, seed: int = SEED) -> list[Work]:
    """Write the corpus and its key.

    Args:
        out: Folder, made where missing; receives train.parquet, control.parquet and key.json.
        seed: Of all random numbers.

    Returns:
        The distinct works, as `works` gives them.
    """
    out.mkdir(parents=True, exist_ok=True)
    drawn = works(seed)
    for half in ("train", "control"):
        rows = [
            (work, occurrence)
            for work in drawn
            if work.half == half
            for occurrence in range(1, work.times + 1)
        ]
        order = np.random.default_rng([seed, len(rows), len(ARTISTS)]).permutation(len(rows))
        _write([rows[i] for i in order], out / f"{half}.parquet")
    key = {"seed": seed, "works": [_truth(work) for work in drawn]}
    text = json.dumps(key, indent=1, ensure_ascii=False) + "\n"
    (out / "key.json").write_text(text, encoding="utf-8")
    return drawn


def _write(rows: Sequence[tuple[Work, int]], path: Path) -> None:
    """Write one table, a row per occurrence."""
    table = pa.table(
        {
            "image": pa.array([work.png for work, _ in rows], pa.large_binary()),
            "caption": [work.caption for work, _ in rows],
            "title": [work.title for work, _ in rows],
            "artist": [work.artist for work, _ in rows],
            "year": pa.array([work.year for work, _ in rows], pa.int32()),
            "licence": [LICENCE for _ in rows],
            "url": [work.url(occurrence) for work, occurrence in rows],
        }
    )
    pq.write_table(table, path, row_group_size=ROW_GROUP, compression="none", use_dictionary=False)


def _truth(work: Work) -> dict[str, object]:
    """Return a work as the key records it: everything but the pixels."""
    fields = asdict(work)
    png = fields.pop("png")
    return {
        **fields,
        "caption": work.caption,
        "licence": LICENCE,
        "sha256": sha256(png).hexdigest(),
    }


def sheet(drawn: Sequence[Work], path: Path, columns: int = 14) -> None:
    """Write a picture for people: one row of single works per artist, twice their size."""
    cell = 2 * SIDE + 8
    paper = Image.new("RGB", (columns * cell + 8, len(ARTISTS) * cell + 8), "white")
    for row, artist in enumerate(ARTISTS):
        own = [work for work in drawn if work.artist == artist.name and work.kind == "single"]
        for column, work in enumerate(own[:columns]):
            with Image.open(io.BytesIO(work.png)) as image:
                large = image.resize((2 * SIDE, 2 * SIDE), Image.Resampling.NEAREST)
            paper.paste(large, (8 + column * cell, 8 + row * cell))
    paper.save(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw from the command line."""
    parser = argparse.ArgumentParser(description="Draw the demo's corpus.")
    parser.add_argument(
        "out", type=Path, help="folder for train.parquet, control.parquet, key.json"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="default %(default)s")
    parser.add_argument("--sheet", type=Path, help="also write a contact sheet here")
    options = parser.parse_args(arguments)
    drawn = draw(options.out, options.seed)
    if options.sheet:
        sheet(drawn, options.sheet)
    rows = sum(work.times for work in drawn if work.half == "train")
    print(f"{len(drawn)} works, {rows} training rows: {options.out}")


if __name__ == "__main__":
    main()
