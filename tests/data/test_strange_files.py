"""Archives, pointers, empty and encrypted files where a folder, an annotation file or a photo is expected."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.loader import load_catalogue
from tests.helpers.layouts import BY_TYPE, cars, photos, write

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"


def archive(kind: str) -> bytes:
    packed = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=packed, mode="w") as file:
            file.addfile(tarfile.TarInfo("cars/x.jpg"))
    else:
        with zipfile.ZipFile(packed, "w") as file:
            file.writestr("[Content_Types].xml" if kind == "xlsx" else "cars/x.jpg", b"")
    content = bytearray(packed.getvalue())
    content[6] |= kind == "locked"
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cars.zip", archive("zip"), "cars.zip: a zip archive; unpack it, and give its folder as DATA"),
        ("cars.zip", archive("locked"), "cars.zip: a zip archive with a password; unpack it"),
        ("cars.tar", archive("tar"), "cars.tar: a tar archive; unpack it"),
        ("cars.tar.gz", gzip.compress(b"x", mtime=0), "cars.tar.gz: packed by gzip; unpack it"),
        ("cars.7z", b"7z\xbc\xaf\x27\x1c", "cars.7z: a 7z archive; unpack it"),
        ("photos.csv", archive("xlsx"), "photos.csv: a workbook of Excel, or another file of Office; save it as CSV"),
        (
            "cars.csv",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "cars.csv: a workbook of Excel, or encrypted; save it as CSV",
        ),
        ("cars.xlsx", archive("zip"), "cars.xlsx: a workbook of Excel, or another file of Office; save it as CSV"),
        (
            "cars.npz",
            archive("zip"),
            "cars.npz: arrays of NumPy; save the photos as files, and their labels as a table",
        ),
        ("cars.parquet", b"PAR1", "cars.parquet: a Parquet table; save the photos as files"),
        ("cars.h5", b"\x89HDF\r\n\x1a\n", "cars.h5: an HDF5 file; save the photos as files"),
        ("cars.tfrecord", b"\x01\0", "cars.tfrecord: records of TensorFlow; export them as COCO or Pascal VOC"),
        ("cars.json", LFS, "cars.json: a pointer of Git LFS in place of the file; run git lfs pull"),
        ("cars.json", b"/annex/objects/SHA256E-s1--0", "cars.json: a pointer of git-annex in place of the file"),
        ("cars.xml", b"", "cars.xml: an empty file; download or export it again"),
        ("cars.json", b"Salted__12345678", "cars.json: encrypted; decrypt it first"),
        ("cars.json", b"\n<!doctype html>", "cars.json: a web page in place of the file"),
    ],
)
def test_a_file_that_is_none_of_annotations_is_named_with_what_to_do(tmp_path, name, content, message):
    folder = tmp_path / "cars"
    write(folder / name, content)
    with pytest.raises(CarsegError) as caught:
        load_catalogue(folder / name)
    assert str(caught.value).endswith(message) or message in str(caught.value)
    with pytest.raises(CarsegError) as caught:  # the folder that holds nothing else
        load_catalogue(folder)
    assert message.partition(": ")[2] in str(caught.value) and name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pointers_among_photos_are_named(tmp_path):
    photos("pictures/{name}.jpg")(tmp_path)
    write(tmp_path / "labels.json", LFS)
    with pytest.raises(CarsegError, match=r"\(folders with photos: pictures\).*; labels.json is a pointer of Git LFS"):
        load_catalogue(tmp_path)
    for build in BY_TYPE:
        build(tmp_path / "types")
    for path in sorted((tmp_path / "types").rglob("*.jpg"))[:4]:
        path.write_bytes(LFS)
    with pytest.raises(CarsegError, match=r"4 unreadable; first: .* but a pointer of Git LFS .*; run git lfs pull"):
        load_catalogue(tmp_path / "types")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_json_in_another_encoding_is_read_exactly(tmp_path, encoding):
    images, rows = [], []
    for k, car in enumerate(cars()):
        name = f"Käfer 車 {car.name}.jpg"
        car.save(tmp_path / "images" / name)
        images.append({"id": k, "file_name": name})
        x1, y1, x2, y2 = car.box
        rows.append({"id": k, "image_id": k, "category_id": k % 4, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    kinds = [{"id": k, "name": car.body_type} for k, car in enumerate(cars()[:4])]
    text = json.dumps({"images": images, "annotations": rows, "categories": kinds}, ensure_ascii=False)
    write(tmp_path / "annotations" / "all.json", text.encode(encoding))
    for data in (tmp_path, tmp_path / "annotations" / "all.json"):
        catalogue = load_catalogue(data)
        assert len(catalogue.photos) == 16 and catalogue.excluded.empty
    write(tmp_path / "annotations" / "all.json", text.encode("latin-1", errors="replace"))
    with pytest.raises(CarsegError, match=r"all.json: not JSON \('utf-8' codec can't decode"):
        load_catalogue(tmp_path)


def test_a_photo_as_data_says_what_is_expected(tmp_path: Path):
    cars()[0].save(tmp_path / "x.jpg")
    with pytest.raises(CarsegError, match=r"neither a folder nor an annotation file .*; give the folder of the photos"):
        load_catalogue(tmp_path / "x.jpg")
