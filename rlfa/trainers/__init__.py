"""Free agents in the making."""
