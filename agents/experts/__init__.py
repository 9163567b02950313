"""One paper per file: experts."""
