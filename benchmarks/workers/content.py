"""The message that everybody sends: short, text and HTML."""

from __future__ import annotations

from email.message import EmailMessage

SENDER = "shop@bench.test"
SUBJECT = "Your order has been sent"
TEXT = """\
Hello,

your order has left our house and will be with you in two or three days.

Kind regards
The shop
"""
HTML = """\
<html><body>
<p>Hello,</p>
<p>your order has left our house and will be with you in <b>two or three days</b>.</p>
<p>Kind regards<br>The shop</p>
</body></html>
"""


def recipients(count: int) -> list[str]:
    """Return `count` addresses."""
    return [f"reader{number}@bench.test" for number in range(count)]


def rendered() -> bytes:
    """Return the message as a program would write it that makes none itself."""
    message = EmailMessage()
    message["From"] = SENDER
    message["To"] = recipients(1)[0]
    message["Subject"] = SUBJECT
    message["Message-ID"] = "<1@bench.test>"
    message.set_content(TEXT)
    message.add_alternative(HTML, subtype="html")
    return message.as_bytes()
