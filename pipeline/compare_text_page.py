"""Page of a comparison: one HTML file with both texts side by side, which asks for nothing else.

Every run of equal words is a link to its place on the other side. Both texts are hostile: they are
escaped, and no direction mark in them turns what stands around them.
"""

from base64 import b64encode
from hashlib import sha256

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline.compare_text import Comparison
from pipeline.compare_text_lines import shown, top_passages
from pipeline.compare_text_marks import Marks, marks_of
from pipeline.compare_text_panes import output_pane, work_pane


def render(compared: Comparison) -> str:
    """Return the page as HTML."""
    # the template's own text is trusted; every value is escaped
    pages = Environment(
        loader=PackageLoader("pipeline", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(thousands=thousands, shown=shown)
    style = pages.get_template("compare_text.css").render()
    script = pages.get_template("compare_text.js").render()
    marks = marks_of(compared)
    page = pages.get_template("compare_text.html.j2")
    html = page.render(
        c=compared,
        m=compared.measures,
        style=style,
        style_hash=_digest(style),
        script=script,
        script_hash=_digest(script),
        output_pane=output_pane(compared, marks),
        work_pane=work_pane(compared, marks),
        rows=_rows(compared, marks),
        digests=[
            (shown(document.name), document.encoding, sha256(document.raw).hexdigest())
            for document in (compared.output, compared.work)
        ],
    )
    return html.lstrip()


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _rows(compared: Comparison, marks: Marks) -> list[dict[str, object]]:
    """Return the passages as the list at the end shows them."""
    output, work = compared.output, compared.work
    return [
        {
            "number": number,
            "passage": passage,
            "unit": marks.units[passage.stretches[0]],
            "output_line": output.line(passage.output_start),
            "work_line": work.line(passage.text_start),
            "begins": shown(output.text[passage.output_start : passage.output_start + 60]),
        }
        for number, passage in enumerate(top_passages(compared.found.passages), start=1)
    ]


def thousands(number: int) -> str:
    r"""Return a whole number with spaces between thousands that do not break.

    >>> thousands(12345).split("\N{NO-BREAK SPACE}")
    ['12', '345']
    """
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}")
