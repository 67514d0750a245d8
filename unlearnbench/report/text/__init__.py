"""Numbers as text: tables for the terminal, Markdown, CSV and LaTeX."""
