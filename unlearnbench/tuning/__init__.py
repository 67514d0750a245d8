"""The search for hyperparameters by a rule that uses no clean data."""
