"""Constants that several packages share."""

# of pixel values in 0..1, red, green, blue: ImageNet's, which the paper takes too (§III)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
