"""Changes: how scores differ from those of the previous publication, and by what."""
