"""Pictures of a network under training: what it answers over a plane, and what its first layer looks for."""
