"""What the harness costs beside the machine's limits and beside a plain recipe."""
