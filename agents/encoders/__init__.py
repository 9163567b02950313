"""One paper per file: encoders."""
