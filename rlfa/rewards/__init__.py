"""What an agent's decisions earned, and the bounded losses that tests compare."""
