"""`python -m unlearnbench` is the command `unlearnbench`."""

from unlearnbench.cli import main

main()
