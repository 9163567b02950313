"""The web app over the store and the metrics."""
