"""The fence around untrusted code."""
