"""The revisions, oldest first. Never edit one: stores were written with it."""
