"""RoIAlign (He et al. 2017, §3) as products of small matrices.

The value of a bin is the mean of bilinear samples on a regular grid. Bilinear weights are a product of one along each
axis, and so are their means: the P × P values of a region are `Y F Xᵀ`, with a (P, H) matrix Y, a (P, W) matrix X and
the map F. torchvision's kernel computes the same sample by sample, on a CPU in one thread and with a scattered sum in
its gradient; here both directions are matrix products.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from carseg_lib.models.torchvision_parts import LevelMapper

SAMPLES = 2  # points a side of a bin, as in torchvision's Mask R-CNN

Weigh = Callable[[Tensor, Tensor, int, int], Tensor]


class MultiScaleRoIAlign(nn.Module):
    """RoIAlign on the levels of a pyramid; computes what `torchvision.ops.MultiScaleRoIAlign` does.

    Args:
        strides: of the pyramid's levels that regions are pooled from, each twice the one before, in pixels.
        output_size: bins a side, P.
        canonical_scale: a region of this side, in pixels of the photo, is pooled from stride 16; one of half that side
            from stride 8 (Lin et al. 2017, eq. 1).
        samples: points a side of a bin whose mean is its value.
    """

    def __init__(self, strides: Sequence[int], output_size: int, canonical_scale: int, samples: int = SAMPLES):
        super().__init__()
        self.weigh = partial(point_weights, samples=samples)
        self.strides = tuple(strides)
        self.bins = output_size
        levels = [stride.bit_length() - 1 for stride in strides]
        self.level_of = LevelMapper(levels[0], levels[-1], canonical_scale)

    def forward(self, features: Mapping[str, Tensor], boxes: Tensor, photo: Tensor) -> Tensor:
        """Features (R, C, P, P), channels last, of all regions of a batch.

        Args:
            features: the pyramid's maps, finest first, each (B, C, H, W); those after the last stride are not used.
            boxes: (R, 4) of all photos, pixels of the network's input.
            photo: (R,) index of each region's photo, ascending.
        """
        maps = list(features.values())[: len(self.strides)]
        if len(boxes) == 0:
            return maps[0].new_zeros(0, maps[0].shape[1], self.bins, self.bins)
        if len(maps) == 1:
            of_map = roi_align(maps[0], boxes / self.strides[0], photo, self.bins, self.weigh)
            return of_map.permute(0, 3, 1, 2)
        level = self.level_of([boxes])
        order = level.argsort(stable=True)
        # where the regions of each level and photo begin in that order; their numbers are the one wait for a GPU
        batch = len(maps[0])
        edges = torch.arange(len(maps) * batch + 1, device=boxes.device)
        counts = torch.searchsorted((level * batch + photo)[order], edges).diff().view(len(maps), batch)
        numbers, most = torch.stack([counts.sum(1), counts.amax(1)]).tolist()
        found = []
        for map_, stride, place, most_here in zip(maps, self.strides, order.split(numbers), most, strict=True):
            if len(place):
                found.append(roi_align(map_, boxes[place] / stride, photo[place], self.bins, self.weigh, most_here))
        return torch.cat(found)[order.argsort()].permute(0, 3, 1, 2)


def roi_align(map_: Tensor, boxes: Tensor, photo: Tensor, bins: int, weigh: Weigh, most: int | None = None) -> Tensor:
    """Features (K, P, P, C) of regions on one map.

    Args:
        map_: (B, C, H, W).
        boxes: (K, 4), in cells of the map.
        photo: (K,) int, index of each region's photo, ascending.
        bins: P.
        weigh: the weight of each cell in each bin along one axis: `point_weights` or `area_weights`.
        most: regions that one photo has, at most; None: they are counted, for which a GPU is waited.
    """
    batch, channels, height, width = map_.shape
    cells = map_.permute(0, 2, 3, 1).reshape(batch, height, width * channels)
    # padded to a rectangle (photos, most regions of a photo): one product for all
    slot = rank_in_photo(photo, batch)
    if most is None:
        most = int(slot.max()) + 1 if len(slot) else 0
    rows, columns = (
        cells.new_zeros(batch, most, bins, size).index_put(
            (photo, slot), weigh(boxes[:, side], boxes[:, side + 2], bins, size).to(cells.dtype)
        )
        for side, size in ((1, height), (0, width))
    )
    across = torch.bmm(rows.view(batch, most * bins, height), cells)
    across = across.view(batch * most * bins, width, channels)
    columns = columns.unsqueeze(2).expand(-1, -1, bins, -1, -1).reshape(batch * most * bins, bins, width)
    values = torch.bmm(columns, across).view(batch, most, bins, bins, channels)
    return values[photo, slot]


def rank_in_photo(photo: Tensor, photos: int) -> Tensor:
    """(K,) index of each region's photo, ascending → (K,) number of regions of the same photo before it."""
    first = torch.searchsorted(photo, torch.arange(photos, device=photo.device))
    return torch.arange(len(photo), device=photo.device) - first[photo]


def point_weights(start: Tensor, end: Tensor, bins: int, size: int, samples: int = SAMPLES) -> Tensor:
    """RoIAlign's weight of each cell in each bin, along one axis: bilinear samples, a cell's value at its number.

    Args:
        start: (K,) of each region, in cells; a region is at least one cell wide (torchvision's rule).
        end: (K,).
        bins: P.
        size: cells of the map.
        samples: points a bin.

    Returns:
        (K, P, size) of weights 0..1; those of samples more than one cell outside the map are 0.
    """
    step = (end - start).clamp(min=1.0) / bins
    offsets = (torch.arange(bins * samples, device=start.device, dtype=start.dtype) + 0.5) / samples
    at = start[:, None] + offsets * step[:, None]
    inside = (at >= -1) & (at <= size)
    cells = torch.arange(size, device=start.device, dtype=start.dtype)
    weights = (1 - (at.clamp(0, size - 1)[..., None] - cells).abs()).clamp(min=0) * inside[..., None]
    return weights.view(len(start), bins, samples, size).mean(2)


def area_weights(start: Tensor, end: Tensor, bins: int, size: int) -> Tensor:
    """The share of each bin that each cell covers, along one axis; cell i reaches from i to i + 1.

    The arguments are those of `point_weights`; the result is (K, P, size) of weights 0..1.
    """
    width = ((end - start) / bins).clamp(min=1e-6)[:, None, None]
    left = start[:, None, None] + width * torch.arange(bins, device=start.device)[:, None]
    cells = torch.arange(size, device=start.device, dtype=start.dtype)
    overlap = torch.minimum(left + width, cells + 1) - torch.maximum(left, cells)
    return overlap.clamp(min=0) / width
