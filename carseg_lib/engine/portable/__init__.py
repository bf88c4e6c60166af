"""A run's model as one ONNX file, which runs without torch: the network, its export, and a runner of few lines."""
