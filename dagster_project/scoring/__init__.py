"""From features to scores and labels; references. Pure pandas and numpy."""
