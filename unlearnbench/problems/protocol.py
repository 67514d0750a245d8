"""The version of the protocol. A module of its own, for what reads a store without anything that runs trials."""

PROTOCOL_VERSION = 3
"""Raised when the same specification is to give other numbers: stored records are then no longer taken for it."""
