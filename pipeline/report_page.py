"""Page of a report: one HTML file that needs nothing else.

The page brings its own style and pictures; its content policy forbids every request, and every
script but the one that puts both ends of a passage of text side by side.
Everything that comes from a table is hostile: it is escaped, kept in one direction and cut to a
length that is stated.
"""

import unicodedata
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline import report_texts_plots, report_texts_words
from pipeline.report import Summary
from pipeline.report_exhibits import Exhibit
from pipeline.report_null import NULL_WIDTH
from pipeline.report_pictures import GAIN, Album, Plate, plate_of
from pipeline.report_proof import ENOUGH_MODELS, load_proof, rate
from pipeline.report_scores import HALF_HEIGHT, WIDTH, draw_scores
from pipeline.report_settings import WORDS
from pipeline.report_standing import StandingSummary, remarks
from pipeline.report_texts import TextSummary
from pipeline.report_texts_authors import MAX_AUTHORS, MAX_WORKS
from pipeline.report_texts_spreads import spreads
from stages.contract import Reader
from stages.verdicts import sentences

MAX_LETTERS = 240
MINUTE = 60
SMALL_POWER = 3
RAISED = str.maketrans(
    "-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
)
SMALL_SHARE = 0.0995


class Cut(NamedTuple):
    """A text as it is shown."""

    text: str
    letters: int
    whole: bool


class TextHalf(NamedTuple):
    """What a run found in texts, and where it is read."""

    summary: TextSummary
    readers: Mapping[str, Reader]


def render(
    summary: Summary,
    readers: Mapping[str, Reader],
    texts: TextHalf | None = None,
    standing: StandingSummary | None = None,
) -> str:
    """Return the page as HTML.

    Args:
        summary: what the page says of the run and of images.
        readers: `generations` and `images`, for the pictures.
        texts: what it says of texts; None if no texts were examined. Images are passed over where
            there are texts and no images.
        standing: what it says of error rates; None leaves them out.

    Raises:
        KeyError: the setting is none that the page has words for.
    """
    pages = _pages()
    names = ["report.css"] if texts is None else ["report.css", *TEXT_STYLES]
    style = "".join(pages.get_template(name).render() for name in names)
    script = "" if texts is None else pages.get_template("compare_text.js").render()
    album = Album()
    page = pages.get_template("report.html.j2")
    html = page.render(
        s=summary,
        words=WORDS[summary.facts.setting],
        has_images=texts is None or bool(summary.models or summary.num_generations),
        verdicts=Counter(summary.verdicts) + Counter(texts.summary.verdicts if texts else {}),
        style=style,
        style_hash=_digest(style),
        script=script,
        script_hash=_digest(script),
        exhibits=list(_with_plates(summary.exhibits, readers, album)),
        agreeing=list(_with_plates(summary.agreeing, readers, album)),
        draw_scores=draw_scores,
        size=(WIDTH, HALF_HEIGHT),
        gain=GAIN,
        t=texts and texts.summary,
        spreads=list(spreads(texts.summary.exhibits, texts.readers)) if texts else [],
        most={"authors": MAX_AUTHORS, "works": MAX_WORKS},
        draw=report_texts_plots,
        say=report_texts_words,
        e=standing,
        null_width=NULL_WIDTH,
        sentences=sentences,
        remarks=remarks,
        proof=load_proof(),
        enough_models=ENOUGH_MODELS,
    )
    return html.lstrip()


TEXT_STYLES = ("compare_text_panes.css", "report_texts.css")


def _pages() -> Environment:
    # the templates' own text is trusted; every value is escaped
    pages = Environment(
        loader=PackageLoader("pipeline", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(
        cut=cut,
        percent=percent,
        ratio=ratio,
        thousands=thousands,
        duration=duration,
        tiny=tiny,
        begin=begin,
        rate=rate,
    )
    return pages


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _with_plates(
    exhibits: tuple[Exhibit, ...], readers: Mapping[str, Reader], album: Album
) -> Iterator[tuple[Exhibit, Plate]]:
    """Yield exhibits with their pictures, one at a time, until the album is full."""
    for exhibit in exhibits:
        plate = plate_of(exhibit, readers, album)
        if album.left_bytes:
            yield exhibit, plate


def cut(text: str | None, most: int = MAX_LETTERS) -> Cut:
    r"""Return a text on one line, without control characters, and whether it is whole.

    >>> cut("a\x00b\ncd", 5)
    Cut(text='a b c', letters=6, whole=False)
    """
    text = text or ""
    head = text[: most + 1]
    plain = "".join(" " if unicodedata.category(sign) in _UNSEEN else sign for sign in head)
    whole = len(text) <= most
    return Cut(" ".join((plain if whole else plain[:most]).split()), len(text), whole)


_UNSEEN = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}


def percent(share: float) -> str:
    """Return a share with as many digits as it needs.

    >>> percent(0.0461), percent(0.5), percent(1.0)
    ('4.6 %', '50 %', '100 %')
    """
    digits = 1 if 0 < share < SMALL_SHARE else 0
    return f"{100 * share:.{digits}f} %"


def tiny(chance: float) -> str:
    r"""Return a probability, however small.

    >>> tiny(0.031), ascii(tiny(2.17e-9))
    ('0.031', "'2.2\\xa0\\xd7\\xa010\\u207b\\u2079'")
    """
    digits, _, power = f"{chance:.1e}".partition("e")
    if chance == 0 or int(power) >= -SMALL_POWER:
        return f"{chance:.2g}"
    return f"{digits}\xa0\xd7\xa010{str(int(power)).translate(RAISED)}"


def begin(text: str) -> str:
    """Return a text as a sentence begins.

    >>> begin("none of 39 CLIP scores")
    'None of 39 CLIP scores'
    """
    return text[:1].upper() + text[1:]


def ratio(value: float | None) -> str:
    """Return a ratio with three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def thousands(number: int) -> str:
    r"""Return a whole number with spaces between thousands that do not break.

    >>> thousands(12345).split("\N{NO-BREAK SPACE}")
    ['12', '345']
    """
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")


def duration(seconds: float) -> str:
    """Return seconds as a person says them.

    >>> duration(0.42), duration(75), duration(7260)
    ('0.4 s', '1 min 15 s', '2 h 01 min')
    """
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), MINUTE)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left:02d} min" if hours else f"{minutes} min {rest:02d} s"
