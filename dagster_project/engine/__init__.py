"""Where the work runs. No engine's name is used outside this room."""
