"""Reading photos of any orientation, colour model and depth; a broken photo raises an `ImageError` with the reason.

`read_photo` is the only function of the project that opens photos. `inspect_image` computes the numbers and hashes of
the catalogue.
"""

from __future__ import annotations

import errno
import hashlib
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import imagehash
import numpy as np
from PIL import ExifTags, Image, ImageOps, ImageStat, PngImagePlugin, UnidentifiedImageError

from carseg_lib.core.errors import CarsegError, exhaustion
from carseg_lib.data.names import PHOTO_SUFFIXES as PHOTO_SUFFIXES
from carseg_lib.data.remote import open_photo
from carseg_lib.data.strange_files import strange

MAX_MEGAPIXELS = 100
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")  # by content, whatever the name ends in; JPEG has MPO in it
PHOTO_FORMATS = ("JPEG", "PNG", "WebP", "BMP")  # of photos in folders, by content; other files are counted
_OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # errors that say nothing of a photo
_HASHED_AT_ONCE = 4_000_000  # pixels
# Beginnings of files: at which byte, which bytes, which format. Pillow cannot open all of them; a message names them.
_BEGINNINGS = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (8, b"WEBP", "WebP"),
    (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"jP  \r\n", "JPEG 2000"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%PDF", "PDF"),
)
# Programs write whole histories of editing into a photo's text; Pillow's limit of 1 MB would refuse such a photo. Its
# limit for all texts of a file together, 64 MB, stays.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY


class ImageError(Exception):
    """A photo cannot be used.

    Attributes:
        reason: A short fixed phrase, for counting: "empty file", "missing file", "unreadable", "truncated",
            "too large", and those of the annotations (see `carseg_lib.data.loader`).
        detail: The particulars, in one line.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class ImageInfo:
    """Numbers and hashes of a photo for the catalogue.

    Attributes:
        width: Pixels, after EXIF orientation.
        height: Pixels, after EXIF orientation.
        orientation: EXIF orientation, 1 (upright) to 8; 5 to 8 swap width and height.
        brightness: Mean luma, 0 (black) to 1 (white).
        file_sha256: Hash of the file's bytes.
        pixel_sha256: Hash of the size and the decoded RGB bytes: equal for copies in another lossless file.
        phash: Perceptual hash (DCT, 64 bits), 16 hex digits; see `carseg_lib.data.duplicates`.
    """

    width: int
    height: int
    orientation: int
    brightness: float
    file_sha256: str
    pixel_sha256: str
    phash: str


def read_photo(path: Path, max_side: int | None = None) -> Image.Image:
    """Open a photo as upright 8-bit RGB, with all pixels loaded, its file closed, and no metadata.

    EXIF orientation is applied. Grey, palette and CMYK become RGB; 16-bit grey is scaled by 255/65535, not clipped;
    transparency is laid on white; of an animation the first frame is taken. Nothing is printed and no warning is
    raised.

    Args:
        path: The file; its format is recognised by content, not by name.
        max_side: Shrink so that the longer side is at most this many pixels (never enlarge). JPEGs are then decoded at
            a reduced size, which keeps the memory low.

    Raises:
        ImageError: Missing, empty, unreadable, truncated, or above 100 megapixels.
        CarsegError: The machine has no more memory or descriptors, or a store does not give the photo.
    """
    return _read(Path(path), max_side)[0]


def picture_format(path: Path) -> str:
    """The format of a picture by the first bytes of its file, whatever its name; "" for other files."""
    try:
        with open_photo(path) as file:
            head = file.read(16)
    except OSError:
        return ""
    if head[:2] == b"BM" and head[6:10] == bytes(4):  # the rest of the name is a file's size
        return "BMP"
    return next((name for start, mark, name in _BEGINNINGS if head[start:].startswith(mark)), "")


def upright_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a photo after EXIF orientation, from its header alone; None where it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with open_photo(path) as file, Image.open(file, formats=_FORMATS) as photo:
                width, height = photo.size
                return (height, width) if _orientation(photo) >= 5 else (width, height)
    except Exception:  # decoders raise almost anything; the photo itself is judged when it is read
        return None


def inspect_image(path: Path) -> ImageInfo:
    """Size, brightness and hashes of a photo, which is read once, in full.

    Raises:
        ImageError: As `read_photo`.
        CarsegError: As `read_photo`.
    """
    photo, orientation, file_sha256 = _read(Path(path), None, hashed=True)
    return ImageInfo(
        width=photo.width,
        height=photo.height,
        orientation=orientation,
        brightness=ImageStat.Stat(photo.convert("L")).mean[0] / 255,
        file_sha256=file_sha256,
        pixel_sha256=_pixel_sha256(photo),
        phash=str(imagehash.phash(photo, hash_size=8)),
    )


def _read(path: Path, max_side: int | None, hashed: bool = False) -> tuple[Image.Image, int, str]:
    """The upright RGB photo, the EXIF orientation that it was stored in, and, if asked for, the file's SHA-256."""
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise ImageError("unreadable", "not a file")
        if state.st_size == 0:
            raise ImageError("empty file", "0 bytes")
        with open_photo(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata; real faults raise
            _check_webp_length(file, state.st_size)
            photo, orientation = _decode(file, max_side)
            return photo, orientation, _sha256(file) if hashed else ""
    except (ImageError, CarsegError):  # the latter of a store
        raise
    except FileNotFoundError:
        raise ImageError("missing file", "there is no such file") from None
    except Image.DecompressionBombError:
        raise ImageError("too large", f"more than {MAX_MEGAPIXELS} megapixels") from None
    except UnidentifiedImageError:
        found = picture_format(path)
        what = f", but {found}; save it as JPEG" if found and found.upper() not in _FORMATS else ""
        what = what or (f", but {told}" if (told := strange(path)) else "")
        raise ImageError("unreadable", f"not a JPEG, PNG, WebP, BMP or GIF{what}") from None
    except Exception as error:  # decoders raise almost anything on broken files
        if isinstance(error, MemoryError) or getattr(error, "errno", None) in _OF_THE_MACHINE:
            raise exhaustion(error) or error from None  # no photo may be left out for that
        message = getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
        cut_short = any(word in message.lower() for word in ("truncat", "broken data stream", "end of file"))
        raise ImageError("truncated" if cut_short else "unreadable", message) from None


def _sha256(file: BinaryIO) -> str:
    file.seek(0)
    return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()


def _decode(file: BinaryIO, max_side: int | None) -> tuple[Image.Image, int]:
    file.seek(0)
    with Image.open(file, formats=_FORMATS) as photo:
        megapixels = photo.width * photo.height / 1e6
        if megapixels > MAX_MEGAPIXELS:
            raise ImageError("too large", f"{photo.width}×{photo.height} is above {MAX_MEGAPIXELS} megapixels")
        if max_side is not None:
            shrink = max_side / max(photo.size)
            if shrink < 1:  # the JPEG decoder stops at twice the final size; the rest is filtered below
                photo.draft(None, (round(2 * shrink * photo.width), round(2 * shrink * photo.height)))
        photo.load()
        orientation = _orientation(photo)
        upright = _to_rgb(photo)
    if max_side is not None and max(upright.size) > max_side:
        upright.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    upright.info = {}  # metadata may be damaged, and the orientation applies once
    if orientation != 1:
        upright.getexif()[ExifTags.Base.Orientation] = orientation
        ImageOps.exif_transpose(upright, in_place=True)
    return upright, orientation


def _to_rgb(photo: Image.Image) -> Image.Image:
    """A new 8-bit RGB image of any Pillow image."""
    if photo.mode.startswith("I"):  # 16-bit grey
        levels = np.asarray(photo).astype(np.int64).clip(0, 65535)
        return Image.fromarray(((levels * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if photo.has_transparency_data:
        coloured = photo.convert("RGBA")
        paper = Image.new("RGB", photo.size, "white")
        paper.paste(coloured, mask=coloured.getchannel("A"))
        return paper
    return photo.convert("RGB")


def _orientation(photo: Image.Image) -> int:
    try:
        orientation = photo.getexif().get(ExifTags.Base.Orientation, 1)
    except MemoryError:
        raise
    except Exception:  # damaged metadata beside good pixels: as if there were none
        return 1
    return orientation if orientation in range(1, 9) else 1


def _check_webp_length(file: BinaryIO, file_size: int) -> None:
    """Refuse a truncated WebP file by the length in its header: the decoder does not notice."""
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WEBP" and int.from_bytes(head[4:8], "little") + 8 > file_size:
        raise ImageError("truncated", f"{file_size} bytes of {int.from_bytes(head[4:8], 'little') + 8}")


def _pixel_sha256(photo: Image.Image) -> str:
    digest = hashlib.sha256(f"{photo.width}x{photo.height}".encode())
    rows = max(1, _HASHED_AT_ONCE // photo.width)
    for top in range(0, photo.height, rows):
        digest.update(photo.crop((0, top, photo.width, min(top + rows, photo.height))).tobytes())
    return digest.hexdigest()
