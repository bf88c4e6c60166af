"""Photos that lie between those of annotation files and are in none of these: they are left out, and counted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from carseg_lib.data.formats.base import Listing, as_text, is_junk
from carseg_lib.data.formats.folder_masks import mask_pictures
from carseg_lib.data.names import PHOTO_SUFFIXES


def note_unlisted(listing: Listing, listed: Collection[str], what: str) -> None:
    """Note the photos in the folders of listed ones that no annotation names, in one line.

    Masks, known by their names or listed too, are no photos. Folders without any listed photo are not looked into: they
    may hold anything.

    Args:
        listing: Of the listed photos, its background read.
        listed: The photos, and the pictures of masks, that the annotations name; relative to the root, with "/".
        what: What does not name the others, in words: "image of the annotation files".
    """
    known = {*listed, *(photo.photo_id for photo in listing.background)}
    found = []
    for folder in sorted({PurePosixPath(name).parent for name in listed}):
        path = listing.root / folder
        names = sorted(one.name for one in path.iterdir() if not is_junk(one.name)) if path.is_dir() else []
        photos = [name for name in names if PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES]
        masks = mask_pictures(photos)
        found += [one for name in photos if name not in masks and (one := (folder / name).as_posix()) not in known]
    if found:
        line = f"{len(found)} photos beside the others are no {what}, the first: {as_text(found[0])}"
        listing.ignore("./", "no annotation", line)
