"""Faults on purpose: kills, full disks, damaged files, company. Run as `python -m benchmarks.faults`."""
