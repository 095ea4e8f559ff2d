"""Overrides with the annotations of 0.10: mypy reads this file and nothing runs it.

Those that cannot pass are in the guide: `send() -> None` and `send_message() -> None`, `connect()`
without `max_emails`, `attach()` with five parameters alone, and `Attachment.data`.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from email.mime.base import MIMEBase
from email.utils import parseaddr
from types import TracebackType
from typing import Any

from flask import Flask
from typing_extensions import Self, assert_type

import flask_mail
from flask_mail import Connection, Mail, Message, Receipt, _Mail

assert_type(flask_mail.__version__, str)


class OwnConnection(Connection):
    def __init__(self, mail: Mail) -> None:
        super().__init__(mail)
        self.port: int = mail.port

    def __enter__(self) -> Self:
        self.host = None if self.mail.suppress else self.configure_host()
        return self

    def __exit__(
        self, exc_type: type[BaseException], exc_value: BaseException, tb: TracebackType
    ) -> None:
        if self.host is not None:
            self.host.quit()

    def configure_host(self) -> smtplib.SMTP | smtplib.SMTP_SSL:
        return smtplib.SMTP(self.mail.server, self.mail.port)

    def send(self, message: Message, envelope_from: str | tuple[str, str] | None = None) -> Receipt:
        name, address = parseaddr(str(message.sender))
        return super().send(message, envelope_from or (name, address))

    def send_message(self, *args: Any, **kwargs: Any) -> Receipt:
        return self.send(Message(*args, **kwargs))


class OwnMessage(Message):
    def _message(self) -> MIMEBase:
        return MIMEBase("text", "plain")

    def as_string(self) -> str:
        return super().as_string()

    def as_bytes(self) -> bytes:
        return b""

    def has_bad_headers(self) -> bool:
        return False

    @property
    def send_to(self) -> set[str | tuple[str, str]]:
        return set(self.recipients)

    def add_recipient(self, recipient: str | tuple[str, str]) -> None:
        self.recipients.append(recipient)

    def attach(
        self,
        filename: str | None = None,
        content_type: str | None = None,
        data: Any = None,
        disposition: str | None = None,
        headers: Any = None,
        **further: Any,
    ) -> None:
        super().attach(filename, content_type, data, disposition, headers, **further)

    def sender_of(self) -> str | tuple[str, str]:
        return self.sender


class OwnMail(Mail):
    def __init__(self, app: Flask | None = None) -> None:
        super().__init__(app)
        self.timeout = 10

    @contextmanager
    def record_messages(self) -> Iterator[list[Message]]:
        with super().record_messages() as outbox:
            yield outbox

    def init_mail(
        self, config: dict[str, Any], debug: bool | int = False, testing: bool = False
    ) -> _Mail:
        return super().init_mail(config, debug, testing)

    def init_app(self, app: Flask) -> _Mail:
        return super().init_app(app)
