"""From a frozen specification to tensors: data sets, corruptions, discovery, random streams, suites."""
