"""The API for submissions. Import its names from `unlearnbench`, not from this package."""
