"""Rendering of a message as octets, through the methods that programs override."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .. import _context
from .fields import Delivered

if TYPE_CHECKING:
    from email.message import Message as ParsedMessage

    from ..mime.content import Content


class Rendering:
    """Mixin with `as_bytes()` and `as_string()`, which call overrides of `_message()`."""

    def as_bytes(self) -> bytes:
        """Return the message as transmitted: with CRLF line ends and without Bcc.

        Line breaks and other controls in headers are removed; sending refuses them.
        """
        if getattr(self._message, "__func__", None) is not Rendering._message:
            return self._message().as_bytes()
        return bytes(self._rendered())

    def as_string(self) -> str:
        """Return :meth:`as_bytes` as a str."""
        return self.as_bytes().decode("utf-8", "surrogateescape")

    def __str__(self) -> str:
        return self.as_string()

    def __bytes__(self) -> bytes:
        return self.as_bytes()

    def _message(self) -> ParsedMessage:
        # Programs override this to add headers or to sign, as in 0.10.
        from email import message_from_bytes, policy  # slow to import, and seldom needed

        content = bytes(self._rendered())
        # Refolding by the standard library would split mailboxes. Headers with an internationalized
        # address are raw UTF-8 (RFC 6532), which encoding would break.
        return message_from_bytes(
            content, policy=policy.SMTP.clone(refold_source="none", utf8=not content.isascii())
        )

    def content_to_send(self) -> bytes | Content:
        """Return :meth:`as_bytes`, or a `Content` that saves memory if the message is large.

        Overrides of `as_bytes` in subclasses are respected.
        """
        kind = type(self)
        is_own = kind.as_bytes is Rendering.as_bytes and kind._message is Rendering._message  # noqa: SLF001
        # A program may also set a function on the message itself.
        put = self.__dict__.keys() & {"as_bytes", "_message"}
        if isinstance(self.__dict__.get("as_bytes"), Delivered):
            put = put - {"as_bytes"}  # render its fields, which may have changed since
        if is_own and not put:
            return self._rendered()
        return self.as_bytes() if "as_bytes" in put else kind.as_bytes(self)

    def _rendered(self) -> bytes | Content:
        from ..mime.render import render

        message: Any = self  # a Message
        ascii_attachments = False
        if message.attachments:
            ascii_attachments = bool(getattr(_context.current_state(), "ascii_attachments", False))
        return render(message, ascii_attachments=ascii_attachments, now=self._rendered_at())

    def _rendered_at(self) -> float:
        # Keeps the octets of a message without a date the same each time.
        rendered_at: float = vars(self).setdefault("_first_rendered", time.time())
        return rendered_at
