"""Run suites: plan trials, train originals, run and evaluate trials, and store their records."""
