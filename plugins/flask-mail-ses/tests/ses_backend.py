"""A backend in front of a service, and messages for it."""

from __future__ import annotations

from flask_mail_ses import SesBackend
from service import KEY, KEY_ID, TOKEN, Answer

from flask_mail import (
    Message,
)

NOT_VERIFIED = (
    "Email address is not verified. The following identities failed the check in region"
    " US-EAST-1: {}"
)


def options_of(service, **options):
    return {
        "region": "us-east-1",
        "access_key_id": KEY_ID,
        "secret_access_key": KEY,
        "session_token": TOKEN,
        "endpoint_url": service.url,
        **options,
    }


def new_backend(service, **options):
    return SesBackend.from_options(options_of(service, **options), None)


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


def refuse(*addresses):
    """Refuse requests with these recipients, and name them in the response, as SES does."""

    def decide(request):
        found = [each for each in request["Destination"]["ToAddresses"] if each in addresses]
        if not found:
            return None
        return Answer(400, "MessageRejected", NOT_VERIFIED.format(", ".join(found)))

    return decide
