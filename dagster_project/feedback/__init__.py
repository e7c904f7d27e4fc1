"""What came of it: results of campaigns, control groups for the next one, and the score judged."""
