"""The protocol version, in its own module so that code that only reads a store need not import what runs trials."""

PROTOCOL_VERSION = 3
"""Increased when the same specification gives different numbers. Records of earlier versions are then not reused."""
