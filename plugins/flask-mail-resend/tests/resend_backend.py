"""A backend in front of a service, and messages for it."""

from __future__ import annotations

from flask_mail_resend import ResendBackend
from service import KEY

from flask_mail import Message


def options_of(service, **options):
    return {"key": KEY, "url": service.url, "timeout": 5.0, **options}


def new_backend(service, **options):
    return ResendBackend.from_options(options_of(service, **options), None)


def message(**fields):
    return Message(
        **{
            "subject": "Hello",
            "recipients": ["bob@example.com"],
            "body": "Hi",
            "sender": "ann@example.com",
            **fields,
        }
    )
