"""What is done with models: devices, weights, the training loop, classifiers, generators."""
