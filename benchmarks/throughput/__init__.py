"""How many transactions a second become decisions, in ours and in what else could be built in Python."""
