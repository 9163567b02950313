"""Bytes to numbers: broker clients, codecs, replay, feature state."""
