"""Messages and attachments have every field that `mime` reads."""

from __future__ import annotations

import pytest

from flask_mail import Attachment, Message
from flask_mail.mime.protocols import RenderedAttachment, RenderedMessage


@pytest.mark.parametrize(
    ("protocol", "value"),
    [
        (RenderedMessage, Message("Hello", ["ann@example.com"])),
        (RenderedAttachment, Attachment("a.txt", "text/plain", b"data")),
    ],
)
def test_fields_of_a_protocol_are_attributes(protocol: type, value: object) -> None:
    fields = [name for name in vars(protocol) if isinstance(vars(protocol)[name], property)]
    assert len(fields) >= 5
    assert [name for name in fields if not hasattr(value, name)] == []
