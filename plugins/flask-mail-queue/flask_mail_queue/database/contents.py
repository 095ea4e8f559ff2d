"""The content of rows: sealed if the queue has a key, and deleted as the option KEEP says."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, Final, Literal

from flask_mail import MessageError
from flask_mail.backends import ConfigurationError, Outgoing, Secret

from .files import Bundle, StoredFile
from .schema import State

Keep = Literal["nothing", "metadata", "recipients", "everything"]
WHOLE: Final = "whole"
"""Stands for the content that a row has."""

_NAME: Final = "queue"
_KEPT: Final = ("essential",)
_RECIPIENTS: Final = "recipients"
# The version of a Fernet token, and the zeros that its time begins with.
_SEALED: Final = b"gAAAA"


class Contents:
    """Reads and writes the content of the rows of one queue.

    :param key: a Fernet key, or several separated by commas: the first one seals, all of them open.
    :param keep: the option KEEP.
    :param setting: the setting of the key, for errors.
    :param read_piece: returns a piece of a bundle, see :class:`StoredFile`.
    :raises ConfigurationError: a key is invalid, or cryptography is not installed.
    """

    def __init__(
        self,
        key: Secret | None = None,
        keep: Keep = "metadata",
        setting: str = "KEY",
        read_piece: Callable[[str, int], bytes | None] | None = None,
    ) -> None:
        self.keep = keep
        self._read_piece = read_piece or _no_piece
        self._setting = setting
        self._fernet = None if key is None else _fernet(key, setting)

    def stored(self, mail: Outgoing, bundle: Bundle | None = None) -> bytes:
        """Return the content of the row of a message, without what its bundle contains.

        :raises MessageError: a value of the message has no JSON type, or a file is gone.
        """
        store = None if bundle is None else bundle.name_of
        return self._written(_without_options(mail).to_dict(store=store))

    def mail_of(self, content: bytes | None) -> Outgoing:
        """Return the message of a row; nothing is imported or opened.

        Its large attachments are read when they are needed.

        :raises ValueError: it cannot be read.
        :raises ConfigurationError: it is sealed, and the queue does not have its key.
        """
        files: dict[str, StoredFile] = {}

        def load(name: str) -> StoredFile:
            if name not in files:
                files[name] = StoredFile(name, self._read_piece, self._octets)
            return files[name]

        return Outgoing.from_dict(self.read(content), files=False, load=load)

    def piece(self, bundle: str, n: int, octets: bytes) -> bytes:
        """Return a piece of a bundle as it is stored."""
        return self._sealed(_head(bundle, n) + octets)

    def _octets(self, bundle: str, n: int, piece: bytes) -> bytes:
        """Return the octets of a piece.

        :raises MessageError: it is another one.
        :raises ConfigurationError: it is sealed, and the queue does not have its key.
        """
        opened = self._opened(piece) if piece.startswith(_SEALED) else piece
        head = _head(bundle, n)
        if not opened.startswith(head):
            raise MessageError("A piece of an attachment was replaced by another one.")
        return opened[len(head) :]

    def read(self, content: bytes | None) -> Any:
        """Return what the JSON of a row contains; errors as of :meth:`mail_of`."""
        content = content or b""
        if content.startswith(_SEALED):
            content = self._opened(content)
        return json.loads(content)

    def _written(self, record: dict[str, Any]) -> bytes:
        return self._sealed(json.dumps(record, separators=(",", ":")).encode())

    def _sealed(self, content: bytes) -> bytes:
        if self._fernet is None:
            return content
        sealed: bytes = self._fernet.encrypt(content)
        return sealed

    def _opened(self, content: bytes) -> bytes:
        if self._fernet is not None:
            from cryptography.fernet import InvalidToken

            try:
                opened: bytes = self._fernet.decrypt(content)
            except InvalidToken:
                pass
            else:
                return opened
        raise ConfigurationError(
            f"The content of the row is sealed with a key that {self._setting} does not contain:"
            " add the key, separated by a comma."
        )

    def remains(self, mail: Outgoing | None) -> bytes | str | None:
        """Return the content that stays in the row of a message that was sent."""
        if self.keep == "everything":
            return WHOLE
        if self.keep == "recipients" and mail is not None:
            return self._written({_RECIPIENTS: list(mail.envelope.recipients)})
        return None

    def remains_of(self, content: bytes | None, state: State) -> bytes | str | None:
        """Return the content that stays in a row whose outcome a person has set."""
        if self.keep != "recipients" or content is None:
            return self.remains(None)
        try:
            return self.remains(self.mail_of(content)) if state is State.SENT else None
        except (ValueError, ConfigurationError):
            return None


def recipients_of(record: Any) -> list[str] | None:
    """Return the recipients if nothing else was kept of a message."""
    is_rest = isinstance(record, dict) and list(record) == [_RECIPIENTS]
    return record[_RECIPIENTS] if is_rest else None


def _head(bundle: str, n: int) -> bytes:
    """Return what a piece begins with, so that another one in its place is noticed.

    It is never what a sealed piece begins with.
    """
    return f"{bundle}:{n}\n".encode()


def _no_piece(bundle: str, n: int) -> bytes | None:
    raise ConfigurationError(
        "No queue of this app has the mailer of this row: its attachments cannot be read."
    )


def _without_options(mail: Outgoing) -> Outgoing:
    """Return a message without its options of the queue for which there are columns."""
    options = mail.message.options or {}
    if _NAME not in options:
        return mail
    message = copy.copy(mail.message)
    own = {key: each for key, each in options[_NAME].items() if key in _KEPT}
    others = {key: each for key, each in options.items() if key != _NAME}
    message.options = {**others, **({_NAME: own} if own else {})}
    return Outgoing(**{**vars(mail), "message": message})


def _fernet(key: Secret, setting: str) -> Any:
    try:
        from cryptography.fernet import MultiFernet
    except ImportError:
        raise ConfigurationError(
            f"{setting} needs cryptography: install Flask-Mail-Queue[sealed]."
        ) from None
    keys = [_made(each) for each in key.reveal().split(",")]
    if None in keys:
        raise ConfigurationError(
            f"{setting} must be a Fernet key, or several separated by commas; the one with number"
            f" {keys.index(None) + 1} is invalid. Fernet.generate_key() of cryptography makes one."
        )
    return MultiFernet(keys)


def _made(key: str) -> Any:
    """Return the Fernet of a key; ``None`` if it is invalid. The error would show the key."""
    from cryptography.fernet import Fernet

    try:
        return Fernet(key.strip())
    except ValueError:
        return None
