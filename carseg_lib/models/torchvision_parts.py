"""The parts of torchvision that are private there, imported in one place.

torchvision is pinned by the lock, and the tests compare each part's user with torchvision's own.

- `IntermediateLayerGetter`: its public successor, `create_feature_extractor`, traces the network into a graph for each
  mode, in which modules can no longer be replaced (`models.replace`).
- `BoxCoder`: there is no public one.
- `LevelMapper`: is public within `torchvision.ops.MultiScaleRoIAlign` alone.
"""

from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops.poolers import LevelMapper

__all__ = ["BoxCoder", "IntermediateLayerGetter", "LevelMapper"]
