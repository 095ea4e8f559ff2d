"""Feedback about sent mail: events of services, unsubscriptions, suppressed addresses."""
