"""Storing messages as rows, in the transaction of the program."""
