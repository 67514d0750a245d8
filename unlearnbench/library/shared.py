"""What several calls of the library share."""

from pathlib import Path

DATABASE = "sqlite:///data/unlearnbench.db"

Where = str | Path
