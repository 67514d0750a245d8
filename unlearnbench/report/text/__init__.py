"""Tables for the terminal and as Markdown, CSV and LaTeX."""
