"""The diagnoses: one file each, listed by hand in `catalogue`."""
