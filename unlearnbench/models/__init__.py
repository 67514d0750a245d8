"""Models and training: torch code that is read from top to bottom."""
