"""Stands in for google-auth on pages of the documentation."""


class Request:
    """Transport of a refresh."""
