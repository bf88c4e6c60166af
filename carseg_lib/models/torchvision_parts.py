"""The parts of torchvision that are private there, imported in one place.

torchvision is pinned by the lock, and the tests compare each part's user with torchvision's own.

- `IntermediateLayerGetter`: its public successor, `create_feature_extractor`, traces the network into a graph for each
  mode, in which modules can no longer be replaced (`models.replace`).
- `BoxCoder`: there is no public one. torchvision's makes tensors of its constants at each call, and waits for a GPU to
  have them; here they are numbers.
- `LevelMapper`: is public within `torchvision.ops.MultiScaleRoIAlign` alone.
"""

import torch
from torch import Tensor
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection import _utils
from torchvision.ops.poolers import LevelMapper

__all__ = ["BoxCoder", "IntermediateLayerGetter", "LevelMapper"]


class BoxCoder(_utils.BoxCoder):
    """Boxes as offsets from others; of the four weights, the first two are equal, and the last two."""

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """(R, 4) boxes and (R, 4) what they are offsets from, pixels → (R, 4) offsets."""
        return _utils.encode_boxes(reference_boxes, proposals, self.weights)

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """(R, 4 · n) offsets from (R, 4) boxes → (R, 4 · n) boxes, pixels."""
        sides = (boxes[:, 2:] - boxes[:, :2])[:, None].to(rel_codes.dtype)
        centres = boxes[:, None, :2].to(rel_codes.dtype) + 0.5 * sides
        codes = rel_codes.reshape(len(boxes), -1, 4)
        at = codes[..., :2] / self.weights[0] * sides + centres
        half = 0.5 * ((codes[..., 2:] / self.weights[2]).clamp(max=self.bbox_xform_clip).exp() * sides)
        return torch.cat([at - half, at + half], 2).flatten(1)
