"""From photos and labels to tensors: formats, catalogue, splits, transforms, data sets and loading."""
