"""From predictions to numbers: pure functions, no model and no file."""
