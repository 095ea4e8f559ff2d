"""Stands in for msal on pages of the documentation: tokens without Microsoft."""

from __future__ import annotations


class ConfidentialClientApplication:
    """Gives a token to whoever asks for that of Exchange Online."""

    def __init__(self, client_id: str, *, authority: str, client_credential: str) -> None:
        assert authority.startswith("https://login.microsoftonline.com/")

    def acquire_token_for_client(self, scopes: list[str]) -> dict[str, str]:
        if scopes != ["https://outlook.office365.com/.default"]:
            return {"error": "invalid_scope"}
        return {"access_token": "t0ken"}
