import errno
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from carseg_lib.core.errors import CarsegError
from carseg_lib.data import photos
from carseg_lib.data.photos import ImageError, inspect_image, read_photo

# A picture of 6 × 4 whose corner tells its orientation, in flat 2 × 2 blocks so that JPEG hardly changes it.
PIXELS = np.kron(np.array([[250, 40, 90], [140, 190, 10]], dtype=np.uint8), np.ones((16, 16), dtype=np.uint8))
WIDTH, HEIGHT = 48, 32


@pytest.fixture(autouse=True)
def silent(capfd):
    """Nothing is printed and no warning raised, whatever the photo."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert capfd.readouterr() == ("", "")


def png(width: int, height: int, depth: int, colour: int, rows: bytes = b"") -> bytes:
    """A PNG by its definition, for sizes and depths that Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("RGB", "a.png"),
        ("RGB", "a.jpg"),
        ("RGB", "a.bmp"),
        ("RGB", "a.webp"),
        ("L", "a.png"),
        ("L", "a.jpg"),
        ("P", "a.png"),
        ("P", "a.gif"),
        ("LA", "a.png"),
        ("RGBA", "a.png"),
        ("CMYK", "a.jpg"),
        ("YCbCr", "a.jpg"),
    ],
)
def test_every_colour_model_becomes_the_same_rgb(tmp_path, mode, name):
    grey = Image.fromarray(PIXELS)
    source = grey if mode == "P" else grey.convert("RGB")
    source.convert(mode).save(tmp_path / name, **({"quality": 95} if name.endswith("webp") else {}))
    photo = read_photo(tmp_path / name)
    assert photo.mode == "RGB"
    assert type(photo) is Image.Image
    assert photo.size == (WIDTH, HEIGHT)
    lossy = name.endswith(("jpg", "webp"))
    np.testing.assert_allclose(np.asarray(photo).astype(int), PIXELS[..., None].repeat(3, 2), atol=4 if lossy else 0)


def test_the_first_frame_is_taken(tmp_path):
    first, second = Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)
    for name in ("a.gif", "a.png", "a.mpo"):
        frames = [first, second] if name != "a.mpo" else [first.convert("RGB"), second.convert("RGB")]
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        jpg = (tmp_path / name).rename(tmp_path / f"{name}.jpg")  # the content decides, not the name
        np.testing.assert_allclose(np.asarray(read_photo(jpg))[..., 0].astype(int), PIXELS, atol=4)


def test_one_bit_pictures(tmp_path):
    Image.fromarray(PIXELS > 100).save(tmp_path / "a.png")
    np.testing.assert_array_equal(np.asarray(read_photo(tmp_path / "a.png"))[..., 1], (PIXELS > 100) * 255)


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    levels = np.array([[0, 128, 129, 256, 257], [32767, 32768, 40000, 65534, 65535]], dtype=np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    expected = np.rint(levels / 257)
    np.testing.assert_array_equal(np.asarray(read_photo(tmp_path / "a.png"))[..., 0], expected)


def test_16_bit_colour_keeps_its_levels(tmp_path):
    row = b"\0" + struct.pack(">6H", 0xFFFF, 0x8000, 0, 0x1234, 0xABCD, 0x00FF)
    (tmp_path / "a.png").write_bytes(png(2, 1, 16, 2, row))
    assert list(read_photo(tmp_path / "a.png").get_flattened_data()) == [(255, 128, 0), (0x12, 0xAB, 0)]


def test_transparency_lies_on_white(tmp_path):
    rgba = np.zeros((2, 2, 4), dtype=np.uint8)
    rgba[0, 0] = 200, 100, 0, 255
    rgba[0, 1] = 200, 100, 0, 0
    rgba[1, 0] = 0, 0, 0, 51  # a fifth of black
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert np.asarray(read_photo(tmp_path / "a.png")).tolist() == [
        [[200, 100, 0], [255, 255, 255]],
        [[204, 204, 204], [255, 255, 255]],
    ]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "p.png", transparency=1)
    assert np.asarray(read_photo(tmp_path / "p.png")).tolist() == [[[10, 20, 30], [255, 255, 255]]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_exif_orientation_is_applied_once(tmp_path, orientation, suffix):
    stored = {  # what a camera stores so that the picture seen is PIXELS
        1: PIXELS,
        2: PIXELS[:, ::-1],
        3: PIXELS[::-1, ::-1],
        4: PIXELS[::-1],
        5: PIXELS.T,
        6: np.rot90(PIXELS, 1),
        7: PIXELS[::-1, ::-1].T,
        8: np.rot90(PIXELS, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(stored.copy()).convert("RGB").save(path, exif=exif, quality=95)
    photo = read_photo(path)
    np.testing.assert_allclose(np.asarray(photo)[..., 0].astype(int), PIXELS, atol=5)
    assert photo.getexif().get(0x0112) is None
    assert (inspect_image(path).orientation, inspect_image(path).width) == (orientation, WIDTH)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\x01\0"]
)
def test_damaged_metadata_do_not_matter(tmp_path, exif):
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif)
    assert read_photo(tmp_path / "a.jpg").size == (WIDTH, HEIGHT)


def test_max_side_shrinks_and_never_enlarges(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).convert("RGB").resize((480, 320), 0).save(tmp_path / "a.jpg", exif=exif, quality=95)
    small = read_photo(tmp_path / "a.jpg", max_side=60)
    assert small.size == (40, 60)
    whole = read_photo(tmp_path / "a.jpg").resize((40, 60), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(small).astype(int) - np.asarray(whole)).mean() < 3
    assert read_photo(tmp_path / "a.jpg", max_side=10_000).size == (320, 480)


def test_60_megapixels_are_read(tmp_path):
    Image.new("RGB", (10_000, 6_000), (40, 90, 160)).save(tmp_path / "a.jpg")
    photo = read_photo(tmp_path / "a.jpg", max_side=224)
    assert photo.size == (224, 134)
    np.testing.assert_allclose(photo.getpixel((100, 60)), (40, 90, 160), atol=3)


@pytest.mark.parametrize(
    ("width", "height"),
    [(10_000, 10_001), (12_000, 12_000), (60_000, 60_000)],  # Pillow is silent, warns, raises
)
def test_above_100_megapixels_is_too_large_without_decoding(tmp_path, width, height):
    (tmp_path / "a.png").write_bytes(png(width, height, 8, 2))
    with pytest.raises(ImageError) as caught:
        read_photo(tmp_path / "a.png")
    assert caught.value.reason == "too large"
    assert "100 megapixels" in caught.value.detail


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
def test_a_truncated_photo_says_so(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError) as caught:
        read_photo(path)
    assert caught.value.reason == "truncated"


def test_bad_files_by_reason(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("<html>404</html>")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "head.jpg").write_bytes(b"\xff\xd8\xff")
    reasons = {}
    for name in ("empty", "text", "folder", "head", "gone"):
        with pytest.raises(ImageError) as caught:
            read_photo(tmp_path / f"{name}.jpg")
        reasons[name] = caught.value.reason
        assert "\n" not in str(caught.value)
        assert str(tmp_path) not in caught.value.detail
    assert reasons == {
        "empty": "empty file",
        "text": "unreadable",
        "folder": "unreadable",
        "head": "unreadable",
        "gone": "missing file",
    }


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
def test_no_damage_raises_anything_but_bad_photo(tmp_path, suffix):
    rng = np.random.default_rng(1)
    good = tmp_path / f"good.{suffix}"
    Image.fromarray(PIXELS).convert("RGB").save(good)
    whole = np.frombuffer(good.read_bytes(), dtype=np.uint8)
    for trial in range(150):
        damaged = whole.copy()
        damaged[rng.integers(0, len(whole), 1 + trial % 5)] = rng.integers(0, 256, 1 + trial % 5)
        path = tmp_path / f"bad.{suffix}"
        path.write_bytes(damaged[: len(whole) - trial % 3 * rng.integers(0, len(whole) // 2)].tobytes())
        try:
            assert read_photo(path).mode == "RGB"
        except ImageError as error:
            assert error.reason in ("unreadable", "truncated", "too large")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "The memory is full"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many files are open"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "The memory is full"),
    ],
)
def test_what_the_machine_lacks_is_no_fault_of_a_photo(tmp_path, monkeypatch, error, said):
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png")

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(photos.Image, "open", fails)
    with pytest.raises(CarsegError, match=said):
        read_photo(tmp_path / "a.png")


def test_facts(tmp_path):
    Image.new("RGB", (30, 20), (255, 255, 255)).save(tmp_path / "white.png")
    Image.new("RGB", (30, 20), (255, 255, 255)).save(tmp_path / "white.bmp")
    Image.new("RGB", (20, 30), (255, 255, 255)).save(tmp_path / "tall.png")
    Image.new("L", (30, 20), 51).save(tmp_path / "dark.png")
    white, bmp, tall, dark = (inspect_image(tmp_path / n) for n in ("white.png", "white.bmp", "tall.png", "dark.png"))
    assert (white.width, white.height, white.orientation, white.brightness) == (30, 20, 1, 1.0)
    assert dark.brightness == pytest.approx(0.2)
    assert white.pixel_sha256 == bmp.pixel_sha256
    assert white.file_sha256 != bmp.file_sha256
    assert len({white.pixel_sha256, tall.pixel_sha256, dark.pixel_sha256}) == 3
    assert all(len(f.phash) == 16 and int(f.phash, 16) >= 0 for f in (white, tall, dark))


def test_the_pixel_hash_is_of_all_rows(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    whole = inspect_image(tmp_path / "a.png").pixel_sha256
    monkeypatch.setattr("carseg_lib.data.photos._HASHED_AT_ONCE", 123)
    assert inspect_image(tmp_path / "a.png").pixel_sha256 == whole
    noise[-1, -1, 0] ^= 1
    Image.fromarray(noise).save(tmp_path / "a.png")
    assert inspect_image(tmp_path / "a.png").pixel_sha256 != whole
