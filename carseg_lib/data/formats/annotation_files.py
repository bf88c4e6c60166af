"""The annotation files of a folder that list many photos each, and the split of each file, for every such format.

- annotations/<split>.json or instances_<split>.json, or one file of any name (COCO, CVAT)
- <split>/_annotations.coco.json, or one file of any name, beside its photos or in images/<split>/ (Roboflow, VIA)
- files in the folder itself: result.json, annotations.xml, via_region_data.json ..., or one a split (Label Studio,
  FiftyOne, CVAT, VIA)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from carseg_lib.core.errors import CarsegError
from carseg_lib.data.formats.base import Listing, is_junk
from carseg_lib.data.formats.programs import lacks_instances, names_instances, of_file, program_of
from carseg_lib.data.names import split_of

_ROBOFLOW = "_annotations.coco.json"


@dataclass(frozen=True)
class AnnotationFiles:
    """How the annotation files of a format are known.

    Attributes:
        program: The format, as `programs` names it.
        suffixes: Of its files.
        any_in_annotations: Whether a folder annotations/ holds files of it that need not be looked into, unless they
            are of another program: so that a broken one is refused by its name.
    """

    program: str
    suffixes: tuple[str, ...] = (".json",)
    any_in_annotations: bool = False

    def first(self, data: Path) -> str:
        """The file that shows a folder to be of the format, relative to it; "" if none does."""
        if own := self._in_annotations(data):
            own = [path for path in own if not self.any_in_annotations or of_file(path) is None]
            path = min(own, key=lambda path: not names_instances(path), default=None)
        else:
            path = next(iter(self._beside_photos(data) or self._fitting(data)), None)
        return path.relative_to(data).as_posix() if path else ""

    def of(self, data: Path, listing: Listing) -> dict[Path, str]:
        """The annotation files of a folder → the split of each, "" for a single file of any other name.

        Files that are not read are noted in the listing's `ignored`.

        Raises:
            CarsegError: Several files, and none is named after a split; or two in the folder of one split.
        """
        if paths := self._in_annotations(data):
            for path in self._fitting(data):
                listing.ignore(path.name, "other file", "the folder annotations/ has files of its own")
            return self._by_name(paths[0].parent, paths, listing)
        if files := self._beside_photos(data):
            for path in self._fitting(data):
                listing.ignore(path.name, "other file", "the folders of the splits have annotation files of their own")
            return files
        return self._by_name(data, self._fitting(data), listing)

    def fits(self, path: Path) -> bool:
        """Whether a file is of the format, by what is in it."""
        return path.suffix.lower() in self.suffixes and program_of(path) == self.program

    def _in_annotations(self, data: Path) -> list[Path]:
        """Files in annotations/: of the format, or all where any will do."""
        paths = self._files(data / "annotations")
        return paths if self.any_in_annotations else [path for path in paths if self.fits(path)]

    def _beside_photos(self, data: Path) -> dict[Path, str]:
        """Files in the folders of the splits → the split of each."""
        found: dict[Path, str] = {}
        for parent in (data, data / "images"):
            for folder in sorted(path for path in parent.glob("*") if path.is_dir() and not path.is_symlink()):
                split = split_of(folder.name)
                if split is None:
                    continue
                roboflow = folder / _ROBOFLOW
                paths = [roboflow] if ".json" in self.suffixes and self.fits(roboflow) else self._fitting(folder)
                if len(paths) > 1:
                    raise CarsegError(
                        f"{folder}: {paths[0].name} and {paths[1].name} are both {self.program} annotations of this "
                        "split; keep one"
                    )
                found |= dict.fromkeys(paths, split)
        return found

    def _fitting(self, folder: Path) -> list[Path]:
        return [path for path in self._files(folder) if self.fits(path)]

    def _files(self, folder: Path) -> list[Path]:
        paths = (path for suffix in self.suffixes for path in folder.glob(f"*{suffix}") if not is_junk(path.name))
        return sorted(path for path in paths if path.is_file())

    def _by_name(self, folder: Path, paths: list[Path], listing: Listing) -> dict[Path, str]:
        """Files of one folder → the split that the name of each says; "" for the only one that holds instances."""
        splits = {path: split for path in paths if (split := split_of(path.stem))}
        why = dict.fromkeys(set(paths) - set(splits), "not named train, validation or test")
        if not splits and len(paths) > 1 and ".json" in self.suffixes:
            why |= {path: words for path in paths if (words := lacks_instances(path, self.program))}
            holding = [path for path in paths if not lacks_instances(path, self.program)]
            named = [path for path in holding if names_instances(path)]
            for chosen in (holding, named):
                if len(chosen) == 1:
                    splits = {chosen[0]: ""}
                    break
        if not splits and len(paths) == 1:
            return {paths[0]: ""}
        if not splits:
            raise CarsegError(
                f"{folder}: none of {', '.join(path.name for path in paths)} is named train, validation "
                "or test; rename them, or give one of them as DATA"
            )
        for path in paths:
            if path not in splits:
                within = path.relative_to(folder.parent).as_posix() if folder.name == "annotations" else path.name
                listing.ignore(within, "other file", why[path])
        return splits
