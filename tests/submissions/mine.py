"""The manifest of a submission that is right."""

GOOD = """name = "mine"
title = "Mine"
authors = ["A. Author"]
paper = "https://example.org"
license = "Apache-2.0"
entry = "method:Mine"
"""
