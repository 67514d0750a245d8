"""Interfaces to the operating system: hardware, processes, temporary folders."""
