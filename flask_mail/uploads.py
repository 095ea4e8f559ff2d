"""Open files and uploads -> the name, content type and content of an attachment.

What a browser sends is the visitor's: a name or a type that no header can hold is put right here,
because an error would be one that the visitor can cause.
"""

from __future__ import annotations

import contextlib
from mimetypes import guess_extension
from typing import Any, NamedTuple

from .errors import MessageError
from .headers import check_content_type
from .parts import tolerated
from .texts import describe, remove_controls


class Upload(NamedTuple):
    """An open file that was read."""

    name: str | None
    content_type: str | None
    content: str | bytes | bytearray | memoryview


def read_upload(file: Any) -> Upload | None:
    """Read an open file, an upload (Werkzeug's FileStorage), or content as bytes.

    Returns ``None`` for the empty upload that a form sends if no file was chosen.

    :raises MessageError: it was read before, is closed, or is no file.
    """
    if isinstance(file, (bytes, bytearray, memoryview)):
        return Upload(None, None, file)
    content = _read(file)
    if not hasattr(file, "filename"):
        return Upload(_base_name(getattr(file, "name", None)), None, content)
    # The other name of an upload is that of the field in the form.
    name = _base_name(file.filename)
    if not name and not content:
        return None
    kind = getattr(file, "mimetype", None) or None
    if tolerated(check_content_type, kind, "content type") is None:
        kind = None
    return Upload(name or f"attachment{guess_extension(kind or '') or ''}", kind, content)


def _read(file: Any) -> str | bytes | bytearray | memoryview:
    if not hasattr(file, "read"):
        raise MessageError(
            f"'file' must be an open file, not {type(file).__name__}: give the name of a file as"
            " 'path', and content as 'data'."
        )
    # A pipe has no position. Whatever else this raises, reading raises too.
    position = None
    with contextlib.suppress(Exception):
        position = file.tell()
    if isinstance(position, int) and position > 0:
        raise MessageError(
            f"The file {describe(_shown_name(file))} is not at its beginning: something was read"
            " from it, or written to it. Call its seek(0) before you attach it, or give what is"
            " to be attached as 'data'."
        )
    try:
        content = file.read()
    except ValueError as error:
        raise MessageError(
            f"The file {describe(_shown_name(file))} cannot be read: {error}. Attach it before it"
            " is closed."
        ) from error
    if not isinstance(content, (str, bytes, bytearray, memoryview)):
        raise MessageError(f"The file's read() gave {type(content).__name__}, not bytes.")
    return content


def _shown_name(file: Any) -> object:
    return getattr(file, "filename", None) or getattr(file, "name", None)


def _base_name(name: object) -> str | None:
    # Also of a path as another system writes it: a browser may tell one. Python's own names for
    # what is no file, such as "<stdin>", are none, and a number is that of a descriptor.
    if not isinstance(name, str) or name.startswith("<"):
        return None
    return remove_controls(name).replace("\\", "/").rpartition("/")[2].strip() or None
