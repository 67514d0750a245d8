"""One plain reading of each method, to hold its submission against (see `proof`)."""
