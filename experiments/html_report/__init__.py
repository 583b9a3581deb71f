"""The report of a log folder as one HTML file: maps, findings and curves."""
