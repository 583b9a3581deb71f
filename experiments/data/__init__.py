"""Data sets: read or made, checked, split with a seed, and scaled with statistics of the training set."""
