"""Pixels: the one place where encoded images become arrays and back.

What `decode` decides, once for the whole program: the first frame of an animation; transparency
over white; EXIF orientation applied, because a picture is compared as people see it; 16-bit grey by
its high byte; CMYK by Pillow's plain formula; embedded colour profiles ignored, because the
training pipelines that we examine ignore them too. Only a closed list of formats is opened, so
that no exotic decoder is reached (EPS would start another program).

Dimension key: H height, W width, C = 3 channels (RGB), S side of a square.
"""

import warnings
from contextlib import suppress
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 89_478_485
"""Largest image that is decoded unless the caller says otherwise: Pillow's own first limit."""

MAX_PIXELS_EVER = 2 * MAX_PIXELS
"""Largest limit that a caller may set: Pillow refuses larger images before we can."""

MIN_SIDE = 2
"""Shortest side of an image: a line of single pixels is a tracking pixel or a fault, not a work."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
"""Pillow's names of the formats that are opened."""

_STARTS = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "WEBP": (b"RIFF",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "BMP": (b"BM",),
}
_REFUSED_STARTS = {
    "PSD": (b"8BPS",),
    "EPS or PostScript": (b"%!PS", b"\xc5\xd0\xd3\xc6"),
    "PDF": (b"%PDF",),
    "ICO": (b"\0\0\1\0",),
    "JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "JPEG XL": (b"\0\0\0\x0cJXL ", b"\xff\x0a"),
    "PNM": tuple(f"P{digit}{end}".encode() for digit in range(1, 8) for end in "\n \t\r"),
}
_ISO_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF"}

_BMP_FIXED = 18
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class DecodeError(ValueError):
    """Bytes are not an image that this program can use.

    Attributes:
        code: `empty`, `not-an-image`, `truncated` (cut short or damaged), `too-large`, `too-small`
            or `unsupported`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Decoded(NamedTuple):
    """A decoded image."""

    rgb_HWC: NDArray[np.uint8]
    format: str


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Return the first frame of an encoded image as upright 8-bit RGB, transparency over white.

    Args:
        data: a whole PNG, JPEG, WebP, GIF, TIFF or BMP file.
        max_pixels: larger images are refused from their header, before memory is taken for them;
            at most `MAX_PIXELS_EVER`.

    Returns:
        u8[H, W, C] and the format: png, jpeg, webp, gif, tiff or bmp.

    Raises:
        DecodeError: with a code; see there.

    >>> decode(encode_png(np.zeros((2, 3, 3), np.uint8))).rgb_HWC.shape
    (2, 3, 3)
    """
    if not data:
        raise DecodeError("empty", "0 bytes; expected an image")
    # Pillow warns of large, odd and damaged files; the codes say it. A filter that stays, and names
    # Pillow alone, because `warnings.catch_warnings` is not safe with several threads.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    known = _known_format(data)
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_size(image.size, max_pixels)
            image.load()
            return Decoded(_upright_rgb(image), known.lower())
    except (DecodeError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise DecodeError("too-large", f"more than {max_pixels} pixels: {error}") from error
    except UnidentifiedImageError as error:
        raise _unreadable_header(known, data) from error
    except Exception as error:  # decoders meet hostile bytes with nearly any exception
        message = f"starts like {known} but is cut short or damaged: {error}"
        raise DecodeError("truncated", message) from error


def _known_format(data: bytes) -> str:
    for name, starts in _STARTS.items():
        if data.startswith(starts) and _starts_well(name, data):
            return name
    for name, starts in _REFUSED_STARTS.items():
        if data.startswith(starts):
            raise _unsupported(name)
    if data[4:8] == b"ftyp":
        raise _unsupported(_ISO_BRANDS.get(data[8:12], "ISO media"))
    if b"<svg" in data[:1024]:
        raise _unsupported("SVG")
    begin = data[:16].decode("ascii", "backslashreplace")
    raise DecodeError("not-an-image", f"begins with {begin!r}; expected {', '.join(FORMATS)}")


def _starts_well(name: str, data: bytes) -> bool:
    # Two formats have first bytes that sound and text files can have too.
    if name == "WEBP":
        return b"WEBP".startswith(data[8:12])
    return name != "BMP" or len(data) < _BMP_FIXED or data[14] in _BMP_HEADERS


def _unreadable_header(name: str, data: bytes) -> DecodeError:
    if name == "PNG" and b"\0\0\0\0" in (data[16:20], data[20:24]):
        return DecodeError("too-small", f"a PNG of 0 pixels; the least side is {MIN_SIDE}")
    message = f"starts like {name}, but its header is cut short, damaged or says 0 pixels"
    return DecodeError("truncated", message)


def _unsupported(found: str) -> DecodeError:
    message = f"{found} is not opened; expected {', '.join(FORMATS)}: convert the file"
    return DecodeError("unsupported", message)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if min(size) < MIN_SIDE:
        raise DecodeError("too-small", f"{width} x {height} pixels; the least side is {MIN_SIDE}")
    if width * height > max_pixels:
        raise DecodeError("too-large", f"{width} x {height} pixels; the limit is {max_pixels}")


def _upright_rgb(image: Image.Image) -> NDArray[np.uint8]:
    turn = _UPRIGHT.get(_orientation(image))
    eight_bit = _eight_bit(image)
    if eight_bit.has_transparency_data:
        seen = eight_bit.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        eight_bit = Image.alpha_composite(white, seen)
    rgb = eight_bit.convert("RGB")
    return np.asarray(rgb if turn is None else rgb.transpose(turn), np.uint8)


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # a damaged EXIF block does not make the picture worthless
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow would clip: everything above 255 of 65,535 would become white.
        values = np.asarray(image)
        grey = (values >> 8).astype(np.uint8)
        grey[values == image.info.get("transparency", -1)] = 255
        return Image.fromarray(grey)
    if image.mode in {"I", "F", "LAB"}:
        raise _unsupported(f"{image.format} with pixels of mode {image.mode}")
    return image


def resize(rgb_HWC: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the image stretched to a square u8[S, S, C], antialiased bicubic (Pillow)."""
    image = Image.fromarray(rgb_HWC).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(image, np.uint8)


def encode_png(rgb_HWC: NDArray[np.uint8]) -> bytes:
    """Return the image as PNG; the same pixels give the same bytes with the same Pillow."""
    out = BytesIO()
    Image.fromarray(rgb_HWC).save(out, "PNG", compress_level=1)
    return out.getvalue()


def encode_mask(mask_HW: NDArray[np.bool_]) -> bytes:
    """Return a mask as PNG of one bit, white where it is set."""
    out = BytesIO()
    Image.fromarray(mask_HW).save(out, "PNG")
    return out.getvalue()
