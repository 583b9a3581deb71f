"""TensorBoard event files: written without threads, read back with every damage reported."""
