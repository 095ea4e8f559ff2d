"""Attachment: a file that goes with a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from mimetypes import guess_type
from operator import length_hint
from typing import TypeAlias

from .texts import describe

Data: TypeAlias = str | bytes | bytearray | memoryview


class Attachment:
    """A file that goes with a message.

    :param filename: the name that readers see.
    :param content_type: ``type/subtype``; guessed from the name, else ``text/plain`` for str and
        ``application/octet-stream`` for bytes.
    :param data: the content; required.
    :param disposition: ``attachment`` (the default) or ``inline``.
    :param headers: further headers of this part, such as ``{"Content-ID": "<logo>"}``.
    """

    filename: str | None
    content_type: str
    data: Data
    disposition: str
    headers: dict[str, str]

    def __init__(
        self,
        filename: str | None = None,
        content_type: str | None = None,
        data: Data | None = None,
        disposition: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> None:
        if data is None:
            raise ValueError("The 'data' argument is required.")
        if content_type is None and filename is not None:
            content_type = guess_type(str(filename))[0]
        if content_type is None:
            content_type = "text/plain" if isinstance(data, str) else "application/octet-stream"
        self.filename = filename
        self.content_type = content_type
        self.data = data
        self.disposition = disposition or "attachment"
        self.headers = dict(headers or {})

    def __repr__(self) -> str:
        name, kind = describe(self.filename), describe(self.content_type)
        return f"<Attachment {name} {kind} {length_hint(self.data)}>"
