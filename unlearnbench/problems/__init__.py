"""Suites and problems, and the tensors they specify: data sets, corruptions, discovery, random streams."""
