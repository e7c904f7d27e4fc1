"""Customer value pipeline: raw exports to explained, gated customer scores."""
