"""The standard library: ``email.mime``, and ``EmailMessage``, which is its newer interface.

Only makes messages; the options say with which of the two.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from email import policy
from email.header import Header
from email.message import EmailMessage, Message
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formataddr, formatdate, make_msgid, parseaddr
from typing import Any

from content import Content

# Which of the two is faster for `email.mime` depends on the headers.
_COMPAT32 = policy.compat32.clone(linesep="\r\n")


class Sender:
    """A program without a library."""

    has_pool = False
    has_send_many = False

    def __init__(self, options: dict[str, Any]) -> None:
        settings = options["settings"]
        self._make = {"mime": with_mime, "message": with_message}[settings["api"]]
        self._policy = {"SMTP": policy.SMTP, "compat32": _COMPAT32}[settings["policy"]]

    def context(self) -> AbstractContextManager[Any]:
        """Return what a thread that sends is in."""
        return nullcontext()

    def compose(self, content: Content) -> Message:
        """Make a message."""
        return self._make(content)

    def render(self, message: Message) -> bytes:
        """Return it as it would travel."""
        return message.as_bytes(policy=self._policy)


def with_message(content: Content) -> EmailMessage:
    """Make a message as the library's documentation does today."""
    message = EmailMessage(policy=policy.SMTP)
    message["Subject"] = content.subject
    message["From"] = _ascii_domain(content.sender)
    message["To"] = ", ".join(map(_ascii_domain, content.to))
    if content.cc:
        message["Cc"] = ", ".join(map(_ascii_domain, content.cc))
    if content.reply_to:
        message["Reply-To"] = _ascii_domain(content.reply_to)
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain="bench.test")
    message.set_content(content.text)
    if content.html is not None:
        message.add_alternative(content.html, subtype="html")
    for name, kind, data in content.files:
        maintype, _, subtype = kind.partition("/")
        message.add_attachment(data, maintype, subtype, filename=name)
    return message


def with_mime(content: Content) -> Message:
    """Make a message as programs have done since Python 2."""
    text: Message = MIMEText(content.text)
    if content.html is not None:
        text = MIMEMultipart("alternative", None, [text, MIMEText(content.html, "html")])
    message = MIMEMultipart("mixed", None, [text]) if content.files else text
    message["Subject"] = _words("Subject", content.subject)
    message["From"] = _address(content.sender)
    message["To"] = ",\n ".join(map(_address, content.to))
    if content.cc:
        message["Cc"] = ",\n ".join(map(_address, content.cc))
    if content.reply_to:
        message["Reply-To"] = _address(content.reply_to)
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain="bench.test")
    for name, kind, data in content.files:
        part: Message
        if kind.startswith("text/"):
            part = MIMEText(data.decode(), kind.partition("/")[2])
        else:
            part = MIMEApplication(data, kind.partition("/")[2])
        shown = name if name.isascii() else ("utf-8", "", name)
        part.add_header("Content-Disposition", "attachment", filename=shown)
        message.attach(part)
    return message


def _ascii_domain(address: str) -> str:
    if address.isascii():
        return address
    rest, _, domain = address.rpartition("@")
    bracket = ">" if domain.endswith(">") else ""
    return f"{rest}@{domain.removesuffix('>').encode('idna').decode()}{bracket}"


def _address(address: str) -> str:
    if address.isascii():
        return address
    name, spec = parseaddr(address)
    return formataddr((name, _ascii_domain(spec)))


def _words(header: str, text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8", header_name=header).encode()
