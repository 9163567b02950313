"""The user's own rules: lists and conditions that decide before or after the lineup."""
