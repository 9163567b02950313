"""Lives of one simulated slot: policies that see what the manager sees, and plans that see the truth."""
