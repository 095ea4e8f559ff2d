"""Fuzzing of what reads addresses and of what writes messages.

``python -m tests.support.fuzz --seconds 60`` looks for a value that breaks a promise. Such a
value is shrunk, shown and kept in `seeds`, which every run of the tests tries again.
"""
