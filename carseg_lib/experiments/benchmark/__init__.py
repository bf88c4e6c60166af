"""Speed, memory and quality beside torchvision's Mask R-CNN."""
