"""One paper per file: gates."""
