"""This machine and its processes: what the harness asks of the operating system."""
