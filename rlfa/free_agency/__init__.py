"""The state machine that lets agents earn, keep and lose their slots."""
