"""The revisions, oldest first. What landed is never edited: stores were written by it."""
