"""What was read otherwise than it is written: counted, and said in a line each; no photo is left out for it.

Such lines stand in the catalogue's `excluded`, beside what was left out; their reasons, here, tell them apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

NAME_SPELLED = "name in another spelling"
NAME_BY_BASE = "name without its folder"
NAME_PREFIXED = "name without its prefix"
ONE_OBJECT = "iscrowd of one object"
SIZE_NOT_READ = "size not stated"
FORM = "mask in another form"
STRAY_PARTS = "stray parts of a mask"
CUT = "cut at the photo's edge"
TURNED = "labels turned with the photo"
UPRIGHT = "labels of the upright photo"
SAME_SIZE = "upside down or mirrored"
IN_A_CORNER = "labels in one corner"
SOME_MASKS = "masks of some cars"
TWICE = "a car labelled twice"
BOXES_AS_MASKS = "boxes in place of masks"
NAME_SUFFIX = "name with another suffix"
OTHER = "read otherwise"  # of readers that say the rest in words

REASONS = frozenset(
    {
        *(NAME_SPELLED, NAME_BY_BASE, NAME_PREFIXED, NAME_SUFFIX, ONE_OBJECT, SIZE_NOT_READ, FORM, STRAY_PARTS),
        *(CUT, TURNED, UPRIGHT, SAME_SIZE, IN_A_CORNER, SOME_MASKS, TWICE, BOXES_AS_MASKS, OTHER),
    }
)


@dataclass(frozen=True)
class Remark:
    """What was done to a label: one of REASONS, and the particulars, in one line."""

    reason: str
    detail: str


@dataclass
class Remarks:
    """Remarks on the photos of a data set, which `lines` adds up."""

    found: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, photo_id: str, remarks: Iterable[Remark]) -> None:
        """Note the remarks on a photo."""
        for remark in remarks:
            self.found[remark.reason].append((photo_id, remark.detail))

    def lines(self) -> list[tuple[str, str]]:
        """(reason, detail) for each reason: how many labels, on how many photos, and the first of them."""
        return [(reason, self._line(self.found[reason])) for reason in sorted(self.found)]

    @staticmethod
    def _line(remarks: list[tuple[str, str]]) -> str:
        photos = dict.fromkeys(photo_id for photo_id, _ in remarks)
        labels = f" ({len(remarks)} labels)" if len(remarks) != len(photos) else ""
        first, detail = remarks[0]
        return f"{len(photos)} photo{'s' * (len(photos) != 1)}{labels}; the first: {first}, {detail}"
