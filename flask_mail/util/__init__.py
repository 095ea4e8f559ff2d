"""Helpers that every room may use: text checks, secrets, files, locks."""
