"""What is missing -> run it -> a record."""
