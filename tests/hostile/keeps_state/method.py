"""Looks for what an earlier trial of it left: in modules, in the environment, in files."""

import contextlib
import os
from pathlib import Path

import torch
from torch import nn

from unlearnbench import Problem, UnlearningMethod

HERE = Path(__file__).parent


class Method(UnlearningMethod):
    def unlearn(self, problem: Problem) -> nn.Module:
        if hasattr(torch, "kept") or "KEPT" in os.environ or Path("kept").exists() or os.path.exists(HERE / "kept.py"):
            raise RuntimeError("found what an earlier trial left")
        torch.kept = True  # type: ignore[attr-defined]
        os.environ["KEPT"] = "1"
        Path("kept").touch()
        with contextlib.suppress(OSError):
            (HERE / "kept.py").touch()
        return problem.original()
