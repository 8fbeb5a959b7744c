"""Picture files of every kind, and of no kind."""

import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from pod.domain.errors import PictureError
from pod.vision.pictures import load_picture

RED, GREEN = (220, 30, 30), (30, 220, 30)


def two_halves(mode="RGB"):
    """40 x 20 pixels: red on the left, green on the right."""
    picture = Image.new("RGB", (40, 20), RED)
    picture.paste(GREEN, (20, 0, 40, 20))
    return picture.convert(mode)


def near(pixel, colour):
    return np.abs(pixel.astype(int) - colour).max() < 40


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        pytest.param("a.jpg", "RGB", id="JPEG"),
        pytest.param("a.png", "RGB", id="PNG"),
        pytest.param("a.png", "RGBA", id="PNG with alpha"),
        pytest.param("a.png", "P", id="PNG with a palette"),
        pytest.param("a.jpg", "CMYK", id="JPEG for printers"),
        pytest.param("a.webp", "RGB", id="WebP"),
        pytest.param("a.tif", "RGB", id="TIFF"),
        pytest.param("a.bmp", "RGB", id="BMP"),
        pytest.param("a.gif", "P", id="GIF"),
    ],
)
def test_colours_come_as_red_green_blue_bytes_from_every_kind(tmp_path, name, mode):
    two_halves(mode).save(tmp_path / name)
    rgb = load_picture(tmp_path / name)
    assert (rgb.shape, rgb.dtype, rgb.flags.c_contiguous) == ((20, 40, 3), np.uint8, True)
    assert near(rgb[10, 5], RED)
    assert near(rgb[10, 35], GREEN)


def test_the_content_counts_and_not_the_name(tmp_path):
    two_halves().save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.dat")
    assert load_picture(tmp_path / "a.dat").shape == (20, 40, 3)


def test_a_grey_picture_has_three_equal_channels(tmp_path):
    Image.new("L", (8, 4), 77).save(tmp_path / "grey.png")
    assert np.unique(load_picture(tmp_path / "grey.png")).tolist() == [77]


@pytest.mark.parametrize("top", [4095, 65535], ids=["12 bits in 16", "16 bits"])
def test_a_deep_grey_picture_is_stretched_over_its_range(tmp_path, top):
    deep = np.linspace(0, top, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    rgb = load_picture(tmp_path / "deep.png")
    assert (rgb.min(), rgb.max()) == (0, 255)
    assert 120 <= rgb[8, 0, 0] <= 136


def test_an_even_deep_picture_is_black_and_no_fault(tmp_path):
    Image.fromarray(np.full((4, 4), 9, np.uint16)).save(tmp_path / "even.png")
    assert load_picture(tmp_path / "even.png").max() == 0


TURNS = {
    1: lambda seen: seen,
    2: np.fliplr,
    3: lambda seen: np.rot90(seen, 2),
    4: np.flipud,
    5: lambda seen: seen.transpose(1, 0, 2),
    6: lambda seen: np.rot90(seen, 1),
    7: lambda seen: np.rot90(seen, 2).transpose(1, 0, 2),
    8: lambda seen: np.rot90(seen, -1),
}
"""How a camera held this way stores what it sees, by the mark that says so."""


@pytest.mark.parametrize("mark", TURNS)
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff"])
def test_a_picture_comes_upright_whatever_way_the_camera_was_held(tmp_path, kind, mark):
    seen = np.zeros((24, 40, 3), np.uint8)
    seen[:12, :20], seen[:12, 20:], seen[12:, :20] = RED, GREEN, 255
    exif = Image.Exif()
    exif[0x0112] = mark
    stored = Image.fromarray(np.ascontiguousarray(TURNS[mark](seen)))
    stored.save(tmp_path / f"phone.{kind}", exif=exif)
    rgb = load_picture(tmp_path / f"phone.{kind}")
    assert rgb.shape == seen.shape
    assert [near(rgb[y, x], seen[y, x]) for y, x in ((6, 10), (6, 30), (18, 10), (18, 30))] == [True] * 4


@pytest.mark.parametrize(
    "exif",
    [
        pytest.param(b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0", id="99"),
        pytest.param(b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0\x06", id="cut short"),
        pytest.param(b"Exif\0\0no marks at all", id="garbage"),
    ],
)
def test_a_rotation_mark_that_is_none_costs_neither_the_picture_nor_a_warning(tmp_path, exif, recwarn):
    two_halves().save(tmp_path / "odd.jpg", exif=exif)
    assert load_picture(tmp_path / "odd.jpg").shape == (20, 40, 3)
    assert list(recwarn) == []


@pytest.mark.parametrize("hidden", [(0, 0, 0), RED], ids=["black", "red"])
@pytest.mark.parametrize("name", ["clear.png", "clear.webp", "clear.tiff"])
def test_what_is_transparent_becomes_white_whatever_colour_hides_there(tmp_path, name, hidden):
    picture = Image.new("RGBA", (8, 4), (*hidden, 0))
    picture.paste((*GREEN, 255), (4, 0, 8, 4))
    picture.save(tmp_path / name, lossless=True)
    rgb = load_picture(tmp_path / name)
    assert rgb[:, :4].min() == 255
    assert near(rgb[2, 6], GREEN)


def test_what_is_half_transparent_is_half_white(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 128)).save(tmp_path / "half.png")
    assert 120 <= load_picture(tmp_path / "half.png").min() <= 135


@pytest.mark.parametrize("name", ["colour.png", "colour.tiff"])
def test_a_deep_colour_picture_keeps_its_colours(tmp_path, name):
    deep = np.full((4, 4, 3), (30 * 257, 30 * 257, 220 * 257), np.uint16)  # OpenCV writes blue first
    cv2.imwrite(str(tmp_path / name), deep)
    assert near(load_picture(tmp_path / name)[1, 1], RED)


@pytest.mark.parametrize("name", ["pages.tiff", "moving.gif", "moving.webp", "moving.png"])
def test_of_several_pictures_in_a_file_the_first_counts(tmp_path, name):
    first, second = (Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN))
    first.save(tmp_path / name, save_all=True, append_images=[second])
    assert near(load_picture(tmp_path / name)[4, 4], RED)


@pytest.mark.parametrize("size", [(1, 1), (500, 1), (1, 500)], ids=str)
def test_a_picture_one_pixel_high_or_wide_is_a_picture(tmp_path, size):
    Image.new("RGB", size, RED).save(tmp_path / "thin.png")
    assert load_picture(tmp_path / "thin.png").shape == (size[1], size[0], 3)


def jpeg_bytes():
    noise = np.random.default_rng(1).integers(0, 256, (200, 200, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n"


def png_of(width, height):
    """A PNG that claims a size and holds next to nothing."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 1000)),
        (b"IEND", b""),
    ]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "empty: copy it again", id="zero bytes"),
        pytest.param(
            b"plain words\n" * 50, "not a picture of a known kind: save it as JPEG or PNG", id="text"
        ),
        pytest.param(
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99, "save it as JPEG or PNG", id="HEIC of a phone"
        ),
        pytest.param(EPS, "not a picture of a known kind", id="a program for printers"),
        pytest.param(jpeg_bytes()[:9000], "broken or cut short: copy it again", id="a JPEG cut short"),
        pytest.param(jpeg_bytes()[:3], "not a picture of a known kind", id="a JPEG's first bytes"),
        pytest.param(png_of(50, 50), "broken or cut short", id="a PNG with too few pixels"),
        pytest.param(png_of(11_000, 11_000), "11000 x 11000 pixels: at most 100 million", id="huge"),
        pytest.param(
            png_of(60_000, 60_000), "too many pixels: at most 100 million", id="a decompression bomb"
        ),
    ],
)
def test_a_bad_file_gets_an_error_with_its_mend(tmp_path, content, says):
    (tmp_path / "bad.jpg").write_bytes(content)
    with pytest.raises(PictureError, match=says):
        load_picture(tmp_path / "bad.jpg")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match="not a regular file"):
        load_picture(tmp_path / "pipe.jpg")


def test_every_cut_of_a_picture_gives_a_picture_or_a_named_error(tmp_path):
    whole = jpeg_bytes()
    for length in range(1, len(whole), 1009):
        (tmp_path / "cut.jpg").write_bytes(whole[:length])
        with pytest.raises(PictureError):
            load_picture(tmp_path / "cut.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM"])
def test_a_picture_with_bytes_changed_is_a_picture_or_a_named_error_and_never_a_warning(
    tmp_path, kind, recwarn
):
    file, rng = io.BytesIO(), np.random.default_rng(5)
    two_halves().save(file, kind)
    whole = np.frombuffer(file.getvalue(), np.uint8)
    for _ in range(150):
        spoilt = whole.copy()
        spoilt[rng.integers(0, min(len(whole), 300), 4)] = rng.integers(0, 256, 4)
        (tmp_path / "spoilt").write_bytes(spoilt.tobytes())
        try:
            rgb = load_picture(tmp_path / "spoilt")
        except PictureError:
            continue
        assert (rgb.ndim, rgb.shape[2], rgb.dtype) == (3, 3, np.uint8)
    assert list(recwarn) == []
