"""Find and read submissions without running their code."""
