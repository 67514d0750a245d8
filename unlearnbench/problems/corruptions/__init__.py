"""The harness's own corruptions: wrong labels, triggers, and labels that came with the data."""
