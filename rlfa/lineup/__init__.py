"""Who decides, and how scores become an action."""
