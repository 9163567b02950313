"""A genome in, a calibrated model out."""
