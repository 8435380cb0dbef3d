"""Page of a report: one HTML file that needs nothing else and runs nothing.

The page brings its own style and pictures; its content policy forbids every request and script.
Everything that comes from a table is hostile: it is escaped, kept in one direction and cut to a
length that is stated.
"""

import unicodedata
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.report import Summary
from pipeline.report_exhibits import Exhibit
from pipeline.report_pictures import GAIN, Album, Plate, plate_of
from pipeline.report_scores import HALF_HEIGHT, WIDTH, draw_scores
from stages.contract import Reader

MAX_LETTERS = 240
MINUTE = 60
SMALL_SHARE = 0.0995


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """How the page speaks in one setting, which decides what may be claimed."""

    one: str
    """One work of the training half."""

    many: str
    """Several of them."""

    pair: str
    """Label of the indexed image of a pair."""

    sentence: str
    """How the controls arose and what follows."""


WORDS = {
    "randomised": Words(
        one="training work",
        many="training works",
        pair="Training work",
        sentence="A coin decided before training which works the model was trained on, so training"
        " works and control works differ in nothing else.",
    ),
    "matched": Words(
        one="training work",
        many="training works",
        pair="Training work",
        sentence="The control works cannot be in the training set and were chosen to be like those"
        " that are. The comparison holds as far as the two kinds are exchangeable; this run has"
        " not tested that.",
    ),
    "portfolio": Words(
        one="work of the portfolio",
        many="works of the portfolio",
        pair="Work of the portfolio",
        sentence="Only the owner's works and the control works are known to this run; what else the"
        " model was trained on is not. A pair says that this work came back, not from which file"
        " it was learnt, and nothing here is a rate over a training set.",
    ),
}


class Cut(NamedTuple):
    """A text as it is shown."""

    text: str
    letters: int
    whole: bool


def render(summary: Summary, readers: Mapping[str, Reader]) -> str:
    """Return the page as HTML.

    Args:
        summary: what the page says.
        readers: `generations` and `images`, for the pictures.

    Raises:
        KeyError: the setting is none that the page has words for.
    """
    loader = PackageLoader("pipeline", "templates")
    # the template's own text is trusted; every value is escaped
    pages = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(
        cut=cut, percent=percent, ratio=ratio, thousands=thousands, duration=duration
    )
    style = pages.get_template("report.css").render()
    album = Album()
    page = pages.get_template("report.html.j2")
    html = page.render(
        s=summary,
        words=WORDS[summary.facts.setting],
        style_hash=b64encode(sha256(style.encode()).digest()).decode(),
        exhibits=list(_with_plates(summary.exhibits, readers, album)),
        agreeing=list(_with_plates(summary.agreeing, readers, album)),
        draw_scores=draw_scores,
        size=(WIDTH, HALF_HEIGHT),
        gain=GAIN,
    )
    return html.lstrip()


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
