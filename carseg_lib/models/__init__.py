"""Mask R-CNN: backbones, feature pyramid, region proposals, heads, losses, initial weights."""
