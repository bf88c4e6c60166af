"""What a model learns from rendered cars, measured on photographs."""
