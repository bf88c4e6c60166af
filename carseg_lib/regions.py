"""Features of regions (RoIAlign, He et al. 2017, §3) as products of small matrices.

RoIAlign reads a bin's value as the mean of bilinear samples on a regular grid. Bilinear weights are a product of one
along each axis, and so are their means: the P × P values of a region are `Y F Xᵀ`, with a (P, H) matrix Y, an (P, W)
matrix X and the map F. That is what torchvision's kernel computes sample by sample, on a CPU in one thread and with a
scattered sum in its gradient; here both directions are matrix products.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.ops.poolers import LevelMapper

SAMPLES = 2  # a side of a bin of features, as torchvision's Mask R-CNN has it


class RegionFeatures(nn.Module):
    """What `torchvision.ops.MultiScaleRoIAlign` computes, with `sampling_ratio=2`.

    Args:
        strides: of the pyramid's levels that regions are read from, each twice the one before, in pixels.
        output_size: bins a side, P.
        canonical_scale: a region of this side, in pixels of the photo, is read from stride 16; one of half that side
            from stride 8 (Lin et al. 2017, eq. 1).
    """

    def __init__(self, strides: Sequence[int], output_size: int, canonical_scale: int):
        super().__init__()
        self.strides = tuple(strides)
        self.output_size = (output_size, output_size)  # torchvision's heads ask for it
        levels = [stride.bit_length() - 1 for stride in strides]
        self.level_of = LevelMapper(levels[0], levels[-1], canonical_scale)

    def forward(
        self, features: Mapping[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """Reads the features of all regions of a batch.

        Args:
            features: the pyramid's maps, finest first, each (B, C, H, W); those after the last stride are not read.
            boxes: (N, 4) of each photo, pixels of the network's input.
            image_shapes: not needed, as strides are known; torchvision's heads give them.

        Returns:
            (regions of all photos, C, P, P), channels last.
        """
        whole = torch.cat(boxes)
        photo = torch.repeat_interleave(
            torch.arange(len(boxes), device=whole.device),
            torch.tensor([len(b) for b in boxes], device=whole.device),
        )
        maps = list(features.values())[: len(self.strides)]
        if len(whole) == 0:
            return maps[0].new_zeros(0, maps[0].shape[1], *self.output_size)
        level = self.level_of(boxes)
        found, places = [], []
        for i, (map_, stride) in enumerate(zip(maps, self.strides, strict=True)):
            place = torch.where(level == i)[0]
            if len(place):
                found.append(read_regions(map_, whole[place] / stride, photo[place], self.output_size[0]))
                places.append(place)
        return torch.cat(found)[torch.cat(places).argsort()].permute(0, 3, 1, 2)


def read_regions(map_: Tensor, boxes: Tensor, photo: Tensor, bins: int, samples: int = SAMPLES) -> Tensor:
    """Features of regions on one map.

    Args:
        map_: (B, C, H, W).
        boxes: (K, 4), in cells of the map.
        photo: (K,) int, the photo of each region, ascending.
        bins: P.
        samples: points a side of a bin whose mean is its value.

    Returns:
        (K, P, P, C).
    """
    batch, channels, height, width = map_.shape
    cells = map_.permute(0, 2, 3, 1).reshape(batch, height, width * channels)
    counts = torch.bincount(photo, minlength=batch)
    # a rectangle of (photos, most regions of a photo): one product for all, whatever each photo has
    slot = torch.arange(len(photo), device=photo.device) - (counts.cumsum(0) - counts)[photo]
    most = int(counts.max())
    rows, columns = (
        cells.new_zeros(batch, most, bins, size).index_put(
            (photo, slot),
            bin_weights(boxes[:, side], boxes[:, side + 2], bins, size, samples).to(cells.dtype),
        )
        for side, size in ((1, height), (0, width))
    )
    across = torch.bmm(rows.view(batch, most * bins, height), cells)
    across = across.view(batch * most * bins, width, channels)
    columns = columns.unsqueeze(2).expand(-1, -1, bins, -1, -1).reshape(batch * most * bins, bins, width)
    values = torch.bmm(columns, across).view(batch, most, bins, bins, channels)
    return values[photo, slot]


def bin_weights(start: Tensor, end: Tensor, bins: int, size: int, samples: int) -> Tensor:
    """The weight of each cell in each bin, along one axis.

    Args:
        start: (K,) of each region, in cells; a region is at least one cell wide (torchvision's rule).
        end: (K,).
        bins: P.
        size: cells of the map.
        samples: points a bin.

    Returns:
        (K, P, size) of weights 0..1; samples more than one cell outside the map have none.
    """
    step = (end - start).clamp(min=1.0) / bins
    offsets = (torch.arange(bins * samples, device=start.device, dtype=start.dtype) + 0.5) / samples
    at = start[:, None] + offsets * step[:, None]
    inside = (at >= -1) & (at <= size)
    cells = torch.arange(size, device=start.device, dtype=start.dtype)
    weights = (1 - (at.clamp(0, size - 1)[..., None] - cells).abs()).clamp(min=0) * inside[..., None]
    return weights.view(len(start), bins, samples, size).mean(2)
