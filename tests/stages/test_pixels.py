import struct
import threading
import warnings
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFile

from stages.pixels import DecodeError, decode, encode_png, resize

RED = (255, 0, 0)
AFTER_HEADER = 33
CODES = {"empty", "not-an-image", "truncated", "too-large", "too-small", "unsupported"}


def encoded(image: Image.Image, name: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


def noise(height: int = 24, width: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(size: tuple[int, int], raw: bytes = b"", *, depth: int = 8, kind: int = 2) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def with_chunk(data: bytes, name: bytes, body: bytes) -> bytes:
    return data[:AFTER_HEADER] + chunk(name, body) + data[AFTER_HEADER:]


def code_of(data: bytes, **options: int) -> str:
    with pytest.raises(DecodeError) as caught:
        decode(data, **options)
    assert isinstance(caught.value, ValueError)
    assert "0x" not in str(caught.value), "an address would change from run to run"
    return caught.value.code


@pytest.mark.parametrize("name", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_give_the_pixels_back(name: str) -> None:
    rgb, found = decode(encoded(Image.fromarray(noise()), name))
    assert found == name.lower()
    assert rgb.dtype == np.uint8
    assert np.array_equal(rgb, noise())


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "GIF"])
def test_lossy_formats_give_nearly_the_pixels(name: str) -> None:
    smooth = np.full((16, 20, 3), (200, 40, 90), np.uint8)
    rgb, found = decode(encoded(Image.fromarray(smooth), name))
    assert found == name.lower()
    assert np.abs(rgb.astype(int) - smooth).max() <= 6


def test_png_round_trip_and_resize() -> None:
    rgb = noise()
    assert np.array_equal(decode(encode_png(rgb)).rgb_HWC, rgb)
    assert encode_png(rgb) == encode_png(rgb.copy())
    assert resize(rgb, 8).shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"a text that somebody named .png", "not-an-image"),
        (b"BMW is a car, and this is no bitmap", "not-an-image"),
        (b"RIFF\0\0\0\0WAVEfmt ", "not-an-image"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "not-an-image"),
        (b"<?xml version='1.0'?><svg xmlns='x'></svg>", "unsupported"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unsupported"),
        (b"8BPS" + bytes(40), "unsupported"),
        (b"P6 2 2 255 " + bytes(12), "unsupported"),
        (b"\0\0\0\x1cftypavif" + bytes(40), "unsupported"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"\xff\xd8\xff", "truncated"),
        (b"RIFF", "truncated"),
        (png((1, 1), bytes(4)), "too-small"),
        (png((1, 50), bytes(200)), "too-small"),
        (png((0, 5)), "too-small"),
        (png((5, 0)), "too-small"),
        (png((10_000, 10_000)), "too-large"),
        (png((60_000, 60_000)), "too-large"),
    ],
)
def test_bad_bytes_have_a_code(data: bytes, code: str) -> None:
    assert code_of(data) == code


def test_no_exotic_decoder_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    eps = encoded(Image.new("RGB", (8, 8)), "EPS")
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("must not be opened"))
    assert code_of(eps) == "unsupported"


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
def test_truncated(name: str) -> None:
    whole = encoded(Image.fromarray(noise(64, 64)), name)
    assert code_of(whole[: len(whole) // 2]) == "truncated"


def test_the_limit_is_a_parameter_and_exact() -> None:
    data = encode_png(noise(10, 10))
    assert decode(data, max_pixels=100).rgb_HWC.shape == (10, 10, 3)
    assert code_of(data, max_pixels=99) == "too-large"


def test_pillows_own_limit_neither_warns_nor_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_png(noise(24, 32))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 32 - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(BytesIO(data)).close()
    assert decode(data).rgb_HWC.shape == (24, 32, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 32 // 2 - 1)
    assert code_of(data) == "too-large"  # there Pillow raises, and we cannot go further
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert code_of(data, max_pixels=100) == "too-large"


def test_global_settings_of_pillow_stay() -> None:
    before = Image.MAX_IMAGE_PIXELS
    code_of(png((60_000, 60_000)))
    decode(encode_png(noise()))
    assert before == Image.MAX_IMAGE_PIXELS
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_cmyk_and_inverted_cmyk() -> None:
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    for name in ("JPEG", "TIFF"):  # Pillow writes CMYK JPEG inverted, as Adobe does
        rgb = decode(encoded(red, name)).rgb_HWC
        assert np.abs(rgb[4, 4].astype(int) - RED).max() <= 3
    assert b"Adobe" in encoded(red, "JPEG")


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_16_bit_grey_keeps_its_steps(name: str) -> None:
    values = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    rgb = decode(encoded(Image.fromarray(values), name)).rgb_HWC
    assert np.array_equal(rgb, np.arange(256).reshape(16, 16, 1).repeat(3, 2))


def test_big_endian_16_bit_grey() -> None:
    values = np.full((4, 4), 0x80FF, ">u2")
    header = b"MM\0*" + struct.pack(">I", 8)
    tags = [(256, 3, 4), (257, 3, 4), (258, 3, 16), (259, 3, 1), (262, 3, 1), (277, 3, 1)]
    tags += [(273, 4, 8 + 2 + 12 * 8 + 4), (279, 4, 32)]
    entries = b"".join(
        struct.pack(">HHIHH", tag, kind, 1, value, 0)
        if kind == 3
        else struct.pack(">HHII", tag, kind, 1, value)
        for tag, kind, value in sorted(tags)
    )
    data = header + struct.pack(">H", len(tags)) + entries + bytes(4) + values.tobytes()
    assert (decode(data).rgb_HWC == 0x80).all()


def test_16_bit_colour_and_transparent_16_bit_grey() -> None:
    row = b"\0" + np.array([65535, 0, 0x8000] * 2, ">u2").tobytes()
    rgb = decode(png((2, 2), row * 2, depth=16)).rgb_HWC
    assert rgb[0, 0].tolist() == [255, 0, 128]
    grey = b"\0" + np.array([300, 301], ">u2").tobytes()
    data = with_chunk(png((2, 2), grey * 2, depth=16, kind=0), b"tRNS", struct.pack(">H", 300))
    rgb = decode(data).rgb_HWC
    assert rgb[0].tolist() == [[255] * 3, [1] * 3]


@pytest.mark.parametrize("mode", ["I", "F", "LAB"])
def test_pixels_without_an_agreed_white_are_refused(mode: str) -> None:
    assert code_of(encoded(Image.new(mode, (4, 4)), "TIFF")) == "unsupported"


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA"])
def test_every_ordinary_mode_becomes_rgb(mode: str) -> None:
    image = Image.fromarray(noise()).convert(mode)
    wanted = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode(encoded(image, "PNG")).rgb_HWC, wanted)


def test_transparency_is_white() -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert (decode(encoded(clear, "PNG")).rgb_HWC == 255).all()
    assert (decode(encoded(clear, "WEBP", lossless=True)).rgb_HWC == 255).all()
    assert decode(encoded(half, "PNG")).rgb_HWC[0, 0].tolist() == [255, 127, 127]
    grey = Image.new("LA", (4, 4), (0, 0))
    assert (decode(encoded(grey, "PNG")).rgb_HWC == 255).all()
    keyed = encoded(Image.new("RGB", (4, 4), RED), "PNG", transparency=RED)
    assert (decode(keyed).rgb_HWC == 255).all()
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, *RED])
    assert (decode(encoded(palette, "GIF", transparency=1)).rgb_HWC == 255).all()
    seen = decode(encoded(palette, "PNG", transparency=b"\xff\x80")).rgb_HWC
    assert seen[0, 0].tolist() == [255, 127, 127]


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation(name: str) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, (0, 255, 0), (0, 0, 255))]
    options = {"lossless": True} if name == "WEBP" else {}
    data = encoded(frames[0], name, save_all=True, append_images=frames[1:], **options)
    assert decode(data).rgb_HWC[0, 0].tolist() == list(RED)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied_once(name: str, orientation: int) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255  # a white corner at the top left tells the eight cases apart
    stored = Image.fromarray(upright)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # PIL.Image.Transpose that stores it so
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb = decode(encoded(stored, name, exif=exif)).rgb_HWC
    assert rgb.shape == upright.shape
    assert np.abs(rgb.astype(int) - upright).mean() < 4


def test_a_damaged_exif_block_keeps_the_picture() -> None:
    data = encoded(Image.fromarray(noise()), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode(data).rgb_HWC.shape == (24, 32, 3)


def test_an_embedded_profile_changes_nothing() -> None:
    plain = encoded(Image.fromarray(noise()), "PNG")
    with_profile = encoded(Image.fromarray(noise()), "PNG", icc_profile=b"not a profile" * 20)
    assert np.array_equal(decode(plain).rgb_HWC, decode(with_profile).rgb_HWC)


def test_a_compressed_text_bomb_in_a_png_is_refused() -> None:
    bomb = b"k\0\0" + zlib.compress(bytes(50_000_000))
    assert code_of(with_chunk(png((4, 4), bytes(52)), b"zTXt", bomb)) == "truncated"


def test_threads_see_no_warning_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode_png(noise(24, 32))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 24 * 32 - 1)  # so that each one would warn
    shapes: list[tuple[int, ...]] = []

    def work() -> None:
        shapes.extend(decode(data).rgb_HWC.shape for _ in range(50))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert shapes == [(24, 32, 3)] * 200
    assert not caught


WHOLE = {
    name: encoded(Image.fromarray(noise()), name)
    for name in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP")
}


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)
def test_hostile_bytes_give_an_image_or_a_decode_error(
    name: str, changes: list[tuple[float, int]], keep: float
) -> None:
    data = bytearray(WHOLE[name])
    for where, value in changes:
        data[int(where * (len(data) - 1))] = value
    try:
        rgb = decode(bytes(data[: int(keep * len(data))]), max_pixels=10_000).rgb_HWC
    except DecodeError as error:
        found = error.code
    else:
        assert rgb.shape[2:] == (3,)
        found = "empty"
    assert found in CODES
