"""What is stored, as numbers: boards, rankings, comparisons."""
