"""The two kinds of error that reach a person as one sentence."""


class UsageError(Exception):
    """Something that was asked for or handed in is wrong: what, where, and what to do. Exit code 2."""


class HarnessError(Exception):
    """The harness itself failed; never booked on a method. Exit code 1."""
