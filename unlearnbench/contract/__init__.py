"""What a submission is written against, all of it offered by `unlearnbench` itself."""
