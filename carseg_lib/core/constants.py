"""Constants that several packages share."""

# Mean and standard deviation of red, green and blue, of pixel values in 0..1: ImageNet's, and the paper's (§III).
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
