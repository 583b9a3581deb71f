"""What is observed: gates, circuits, networks, losses, optimizers and the training loop, which exposes events."""
