"""Configs, data, sweeps, the runner and the command line: what puts engine and diagnostics together."""
