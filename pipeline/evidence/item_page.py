"""Item page: what a person sees of an item, and the index of all; static pages without a script.

Everything that comes from a table is hostile: it is escaped, kept on its line and cut where it is
long; the whole stands in the files beside the page. Pages ask for nothing outside their folder.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.evidence.safe import on_one_line

PICTURES = (
    ("side_by_side.jpg", "The work on the left, the generation on the right, at one height."),
    ("overlay.jpg", "Both on each other: the mean of the two."),
    ("difference.jpg", "Where both differ; white is equal."),
)

_OF_REFERENCE = ("title", "artist", "author", "year", "date", "licence", "url", "place")
_OF_GENERATED = ("image_id", "output_id", "sample", "phase", "seed", "settings")
_OF_FILE = ("file_sha256", "file_bytes")
_OCCURRENCES = "occurrences_of_the_work"
_OF_FINDING = (
    *("verdict", "method", "score", "threshold", "control_best", "k", "n", "k_low", "k_high"),
    *("num_units", "num_control_units", "num_exceeding", "p", "p_bound", "q", "gamma_star"),
    *("finding_id", "model_id", "prompt_id", "work_id"),
)


def item_page(facts: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return the page of an item.

    Args:
        facts: what item.json says.
        files: the other files of its folder.
    """
    reference = {**facts["reference"], _OCCURRENCES: facts[_OCCURRENCES]}
    settings = facts["making"].get("settings", {})
    return _render(
        "bundle_item.html.j2",
        facts=facts,
        pictures=[pair for pair in PICTURES if pair[0] in files],
        compared="compared.html" in files,
        natives=sorted(name for name in files if ".native." in name),
        tables=(
            ("Numbers", _rows(facts["finding"], _OF_FINDING)),
            ("The work", _rows(reference, (*_OF_REFERENCE, _OCCURRENCES, *_OF_FILE))),
            ("The generation", _rows(facts["generated"], (*_OF_GENERATED, *_OF_FILE))),
            *([("How the model was asked", _rows(settings, settings))] if settings else []),
        ),
    )


def index_page(facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the first page of a bundle.

    Args:
        facts: what it says of the run.
        rows: the items: name, verdict, k, n, q.
    """
    return _render("bundle_index.html.j2", facts=facts, rows=rows)


def _rows(known: Mapping[str, Any], names: Iterable[str]) -> list[tuple[str, Any]]:
    return [(name, known[name]) for name in names if known.get(name) is not None]


def _render(name: str, **values: Any) -> bytes:
    pages = _pages()
    style = pages.get_template("bundle.css").render()
    digest = b64encode(sha256(style.encode()).digest()).decode()
    html = pages.get_template(name).render(style=style, style_hash=digest, **values)
    return html.lstrip().encode()


@cache
def _pages() -> Environment:
    # the templates' own text is trusted; every value is escaped
    pages = Environment(
        loader=PackageLoader("pipeline", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(line=_line, long=_long)
    return pages


def _line(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return on_one_line(str(value))


def _long(value: Any) -> str:
    return on_one_line(str(value), 2000)
