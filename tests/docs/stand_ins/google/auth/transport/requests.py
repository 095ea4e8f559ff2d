"""Stands in for google-auth on pages of the documentation."""


class Request:
    """What a refresh goes by."""
