"""Mailboxes and domains: parsing, display names, IDNA."""
