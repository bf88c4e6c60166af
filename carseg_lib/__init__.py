"""carseg: a reproducible study of a published Mask R-CNN result on four car body types."""
