"""The configuration of a run: plain, frozen data, read from TOML with errors that name the nearest right key."""
