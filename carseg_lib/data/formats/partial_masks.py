"""Data sets that give masks of some photos only, as VOC does: a study takes given masks of all photos, or of none."""

from __future__ import annotations

from dataclasses import replace

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import Annotation, Listing
from carseg_lib.data.formats.placed_masks import PlacedMask
from carseg_lib.data.formats.segmentations import extent, tidy

_FEW = 0.05  # of the photos may lack masks: they are left out and counted when they are read


def settle_partial_masks(listing: Listing, where: str, without: str = "") -> None:
    """Use no mask where most photos have none: pseudo-masks are then drawn for all. The line in `ignored` counts them.

    Args:
        listing: A listing of all photos; changed in place.
        where: The folder or file of the masks, for the message.
        without: How to have no masks, for the message; "" to take `where` away.

    Raises:
        CarsegError: Most photos have masks, and too many have none for these to be left out.
    """
    annotated = [annotation for photo in listing.photos for annotation in photo.annotations]
    lacking = sum(any(not one.segmentation for one in photo.annotations) for photo in listing.photos)
    having = len(listing.photos) - lacking
    if not any(one.segmentation for one in annotated) or lacking <= _FEW * len(listing.photos):
        return
    all_boxed = all(_without_mask(one) for one in annotated)
    if having >= lacking or not all_boxed:
        raise CarsegError(
            f"{listing.root}: {lacking} of {len(listing.photos)} photos have no mask in {where}, the others have; add "
            f"masks for these, or {without or f'take {where} away'} to have a model draw the masks of all photos"
        )
    for k, photo in enumerate(listing.photos):
        cars = [car for one in photo.annotations if (car := _without_mask(one))]
        listing.photos[k] = replace(photo, annotations=cars)
    listing.ignore(
        where, "masks of some photos", f"{having} photos have masks, {lacking} have none: a model draws all of them"
    )


def _without_mask(one: Annotation) -> Annotation | None:
    """An annotation without its mask, with the box around its polygons where it has no other; None if it has none."""
    if one.bbox or one.corners or not one.segmentation:
        return replace(one, segmentation=None)
    if isinstance(one.segmentation, PlacedMask) and one.segmentation.extent:
        return replace(one, segmentation=None, corners=one.segmentation.extent, box_text="of the bitmap")
    corners = extent(tidy(one.segmentation)[0])
    return replace(one, segmentation=None, corners=corners, box_text="of the polygon") if corners else None
