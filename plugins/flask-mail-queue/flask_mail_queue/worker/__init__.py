"""Sending rows by their mailers, and recording the outcomes."""
