"""Readers of open files and uploads: name, content type and content of an attachment.

A visitor's browser chooses the name and type of an upload: invalid ones are corrected here, or
visitors could cause errors.
"""

from __future__ import annotations

import contextlib
from mimetypes import guess_extension
from typing import Any, NamedTuple, TypeAlias

from ..errors import MessageError
from ..mime.checks import check_content_type
from ..mime.parts import tolerated
from ..util.text import describe, remove_controls

Content: TypeAlias = str | bytes | bytearray | memoryview


class NothingUploaded(MessageError):
    """The form was submitted without choosing a file."""


class Upload(NamedTuple):
    """The content of an open file or upload."""

    name: str | None
    content_type: str | None
    content: Content


def read_upload(file: Any) -> Upload:
    """Read an open file, an upload (Werkzeug's FileStorage), or content as bytes.

    :raises NothingUploaded: it is the empty upload of a form in which no file was chosen.
    :raises MessageError: it was read before, is closed, or is not a file.
    """
    if isinstance(file, (bytes, bytearray, memoryview)):
        return Upload(None, None, file)
    content = _read(file)
    if not hasattr(file, "filename"):
        return Upload(_base_name(getattr(file, "name", None)), None, content)
    # Not file.name, which is that of the form field.
    name = _base_name(file.filename)
    kind = getattr(file, "mimetype", None) or None
    if tolerated(check_content_type, kind, "content type") is None:
        kind = None
    return Upload(name or name_of_upload(kind, content), kind, content)


def name_of_upload(content_type: object, content: Content) -> str:
    """Return a name for an upload that has none.

    :raises NothingUploaded: it has no content either, as if no file was chosen.
    """
    if not content:
        raise NothingUploaded("No file was chosen: the upload has no name and no content.")
    kind = str(content_type or "").partition(";")[0].strip()
    return f"attachment{guess_extension(kind) or ''}"


def _read(file: Any) -> Content:
    if not hasattr(file, "read"):
        raise MessageError(
            f"'file' must be an open file, not {type(file).__name__}: pass a file name as 'path',"
            " and content as 'data'."
        )
    # A pipe has no position. For other failures, read() raises too.
    position = None
    with contextlib.suppress(Exception):
        position = file.tell()
    if isinstance(position, int) and position > 0:
        raise MessageError(
            f"{_shown(file)} is not at its beginning: it was read or written before. Call its"
            " seek(0) before you attach it, or pass the content as 'data'."
        )
    try:
        content = file.read()
    except ValueError as error:
        raise MessageError(
            f"{_shown(file)} cannot be read: {error}. Attach it before you close it."
        ) from error
    if not isinstance(content, (str, bytes, bytearray, memoryview)):
        raise MessageError(f"The file's read() returned {type(content).__name__}, not bytes.")
    return content


def _shown(file: Any) -> str:
    name = getattr(file, "filename", None) or getattr(file, "name", None)
    # The name of a temporary file is a number.
    return f"The file {describe(name)}" if isinstance(name, str) else "The file"


def _base_name(name: object) -> str | None:
    # Browsers may send a path, of any system. Names such as "<stdin>" are Python's own, and a
    # number is a file descriptor.
    if not isinstance(name, str) or name.startswith("<"):
        return None
    return remove_controls(name).replace("\\", "/").rpartition("/")[2].strip() or None
