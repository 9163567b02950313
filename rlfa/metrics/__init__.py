"""What the service shows of itself: counts kept by each actor, one endpoint that serves them all, health, traces."""
