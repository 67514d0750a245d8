"""Repair a model of your own: an image folder, a list of files known to be wrong, and no truth.

    folder + list ─> given ─> original ─> [ boundary: unlearn ] ─> trials ─> blind rule ─> suspects ─> report

Every module is one arrow; `run` is the line.
"""
