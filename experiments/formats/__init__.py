"""The report of a check in the formats that CI services read."""
