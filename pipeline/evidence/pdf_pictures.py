"""Pictures of a PDF: small JPEG copies, and the drawings of a report as SVG that stands alone."""

from base64 import b64decode
from io import BytesIO
from pathlib import Path

from PIL import Image

from pipeline.evidence.pdf_nodes import Node

AIDS = frozenset({"overlay.jpg", "difference.jpg"})
"""Pictures that are set small, side by side."""

SIDE, SIDE_OF_AID = 720, 240
"""Longest side of a picture in pixels, and of one that stands beside another: Typst unpacks every
picture of a document and keeps it. The display copies beside the PDF have more."""

LONGEST_MM, HIGHEST_MM = 174.0, 105.0
_DATA = "data:image/"
_STYLE = """\
text { font: 13px "Libertinus Serif"; fill: #211e1a }
.train, .dot { fill: #8f2a16 }
.control { fill: #fff; stroke: #211e1a; stroke-width: 1 }
.strip .control { fill: #8d867b; stroke: none }
.other { fill: #f6d9cf; stroke: #8f2a16; stroke-width: 1 }
.axis { stroke: #211e1a; stroke-width: 1 }
.grid { stroke: #d9d3c7; stroke-width: 1 }
.threshold { stroke: #211e1a; stroke-width: 1.25; stroke-dasharray: 5 4 }
.tick { text-anchor: middle; fill: #635d54 }
.level { text-anchor: end; fill: #635d54 }
.bar { stroke: #8f2a16; stroke-width: 1.5 }
.bound { fill: none; stroke: #211e1a; stroke-width: 1.25 }
.line { fill: none; stroke: #8f2a16; stroke-width: 2 }
.line.control { fill: none; stroke: #211e1a; stroke-width: 2 }
.leader { fill: none; stroke: #635d54; stroke-width: 1 }
.n1 { stroke-dasharray: 1.5 3.5 }
.n2 { stroke-dasharray: 5 3.5 }
.n3 { stroke-dasharray: 11 3.5 1.5 3.5 }
"""


class Shelf:
    """Takes pictures in, and says under which names they lie."""

    def __init__(self, folder: Path) -> None:
        """Make one.

        Args:
            folder: where pictures are put.
        """
        self.folder = folder
        self.many = 0
        self.groups: dict[str, Node] = {}

    def keep(self, source: str, beside: Path) -> str | None:
        """Take a picture in and return its name; None if it cannot be decoded.

        Args:
            source: a data: address of a page of ours, or a name.
            beside: folder of the page.
        """
        if source.startswith(_DATA):
            raw = b64decode(source.partition(",")[2])
        elif (beside / source).is_file():
            raw = (beside / source).read_bytes()
        else:
            return None
        small = _small(raw, SIDE_OF_AID if source in AIDS else SIDE)
        return None if small is None else self._put(small, "jpg")

    def size(self, name: str) -> tuple[int, int]:
        """Return width and height of a picture."""
        with Image.open(self.folder / name) as picture:
            return picture.size

    def draw(self, node: Node) -> str:
        """Take a drawing in and return its name."""
        for each in node.all("g"):
            self.groups[each.said.get("id", "")] = each
        used = "".join(self._drawn(each) for each in node.inside if isinstance(each, Node))
        box = node.said.get("viewBox", "0 0 1 1")
        kind = "strip" if next(node.all("use"), None) else "plot"
        source = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"><style>{_STYLE}</style>'
            f'<g class="{kind}">{used}</g></svg>'
        )
        return self._put(source.encode(), "svg")

    def _drawn(self, node: Node) -> str:
        if node.tag != "use":
            return node.source()
        group = self.groups[node.said["href"].removeprefix("#")]
        return Node("g", {"transform": node.said.get("transform", "")}, [group]).source()

    def _put(self, raw: bytes, ext: str) -> str:
        self.many += 1
        name = f"{self.many:05}.{ext}"
        (self.folder / name).write_bytes(raw)
        return name


def wide(width: int, height: int) -> float:
    """Return how wide a picture is set, in mm: no higher than is fit for a page.

    >>> wide(2000, 1000), wide(100, 200)
    (174.0, 52.5)
    """
    return min(LONGEST_MM, HIGHEST_MM * width / height)


def _small(raw: bytes, side: int) -> bytes | None:
    try:
        with Image.open(BytesIO(raw), formats=["JPEG", "PNG"]) as picture:
            if picture.format == "JPEG" and max(picture.size) <= side:
                return raw
            picture.draft("RGB", (side, side))
            shown = picture.convert("RGB")
    except (OSError, ValueError):
        return None
    shown.thumbnail((side, side))
    out = BytesIO()
    shown.save(out, "JPEG", quality=85, subsampling=0)
    return out.getvalue()
