"""The truth, days later: the log of what was decided, and its labels."""
