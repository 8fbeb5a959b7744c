"""Loads picture files of any kind people have into one form, and names what is wrong with the others."""

import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from pod.domain.errors import PictureError

PICTURE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".pbm")
)
"""Lower case; what a folder is searched for."""

FOREIGN_SUFFIXES = frozenset(
    (
        ".heic",
        ".heif",
        ".avif",
        ".jxl",
        ".jp2",
        ".dng",
        ".cr2",
        ".cr3",
        ".nef",
        ".arw",
        ".raf",
        ".orf",
        ".rw2",
    )
)
"""Lower case; pictures of phones and cameras that are not read. In a folder they are told of."""

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
"""Decoders that may see a stranger's file; Pillow has others that start programs."""

MAX_PIXELS = 100_000_000
"""Larger pictures are refused before any memory is taken for them."""


def load_picture(path: Path) -> npt.NDArray[np.uint8]:
    """A picture file as the camera held it upright, whatever its depth, colours or rotation mark.

    Deep grey pictures (16 bit and more) are stretched over their own range; transparent parts become white,
    whatever colour hides there; of an animation or of several pages the first counts. A rotation mark that is
    none is passed over.

    Returns:
        shape (H, W, 3), uint8, RGB, contiguous.

    Raises:
        PictureError: it is no picture, or an empty, broken or huge one, or not readable.
    """
    try:
        if not path.is_file():
            raise PictureError(
                "not a regular file, or gone: give a picture, a video, a folder or an rtsp:// address"
            )
        if path.stat().st_size == 0:
            raise PictureError("the file is empty: copy it again from where it came from")
        # Pillow warns of sizes below our own bound, and of marks beside the picture that it passes over.
        with warnings.catch_warnings(action="ignore"), path.open("rb") as file:
            return _read(file)
    except UnidentifiedImageError:
        raise PictureError(
            "not a picture of a known kind: save it as JPEG or PNG (the file's content counts, not its name)"
        ) from None
    except (Image.DecompressionBombError, MemoryError):
        raise _too_large("too many pixels") from None
    except PictureError:
        raise
    except PermissionError:
        raise PictureError("may not be read by this user: change its permissions") from None
    except OSError as error:
        if error.errno is None:  # a decoder's word for a broken file
            raise _broken(error) from error
        raise PictureError(f"{error.strerror}: check the path, and the disk it lies on") from None
    # Decoders answer a broken file with whatever they stumble over: SyntaxError, struct.error, zlib.error...
    except Exception as error:
        raise _broken(error) from error


def _read(file: BinaryIO) -> npt.NDArray[np.uint8]:
    with Image.open(file, formats=_FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise _too_large(f"{picture.width} x {picture.height} pixels")
        return np.ascontiguousarray(_upright_rgb(picture))


def _upright_rgb(picture: Image.Image) -> npt.NDArray[np.uint8]:
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode.startswith(("I", "F")):
        return np.repeat(_stretched(np.asarray(picture))[..., None], 3, axis=2)
    if picture.has_transparency_data:
        shown = picture.convert("RGBA")
        picture = Image.new("RGB", shown.size, "white")
        picture.paste(shown, mask=shown.getchannel("A"))
    return np.asarray(picture.convert("RGB"))


def _stretched(grey: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    values = np.nan_to_num(grey.astype(np.float32))
    low, high = float(values.min()), float(values.max())
    return ((values - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)


def _broken(error: Exception) -> PictureError:
    return PictureError(f"broken or cut short: copy it again from where it came from ({error})")


def _too_large(found: str) -> PictureError:
    return PictureError(f"{found}: at most {MAX_PIXELS // 1_000_000} million pixels are read: scale it down")
