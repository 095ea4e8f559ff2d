"""Attachments of a message."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import count
from mimetypes import guess_type
from operator import length_hint
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ..errors import MessageError
from ..util.patterns import lazy_pattern
from ..util.text import describe

if TYPE_CHECKING:
    from ..util.files import DataSource
    from .fields import Copied

Data: TypeAlias = str | bytes | bytearray | memoryview
FilePath: TypeAlias = str | os.PathLike[str]


class Readable(Protocol):
    """An open file, or an upload such as Werkzeug's FileStorage."""

    def read(self) -> str | bytes: ...


File: TypeAlias = Readable | os.PathLike[str] | bytes | bytearray | memoryview


# Unambiguous signatures. An archive may be a document, and text may be anything.
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
# For page.html.gz, guess_type() gives the type of the inner file; the attachment is the archive.
_COMPRESSED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
}
_UNKNOWN = "application/octet-stream"
# Only registered top-level types (RFC 6838 section 4.2), so that no path matches.
_TYPE = lazy_pattern(
    r" *(application|audio|font|haptics|image|message|model|multipart|text|video|example|chemical"
    r"|x-[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+)/[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+ *(;|$)",
    re.ASCII | re.IGNORECASE,
)
_CONTENT_ID = lazy_pattern(r"[!-;=?-~]{1,200}")


class Attachment:
    """A file attached to a message.

    :param filename: the name that readers see; by default that of `path` or `file`.
    :param content_type: ``type/subtype``; by default that of an upload, else guessed from the name
        or from unambiguous first octets, else ``text/plain`` for str and
        ``application/octet-stream`` for bytes.
    :param data: the content. Exactly one of `data`, `path` and `file` is required.
    :param disposition: ``attachment``, or ``inline``, which is the default with a `content_id`.
    :param headers: further headers of this part.
    :param path: a file to attach. It is read when the message is sent, block by block, and must not
        have changed by then.
    :param file: an open file or an upload (Werkzeug's FileStorage), read immediately and from its
        beginning; also a path object or bytes.
    :param content_id: name of the part in the HTML: ``"logo"`` for ``<img src="cid:logo">``.
    :raises OSError: the file at `path` cannot be read.
    :raises MessageError: `path`, `file` or `content_id` is invalid, `file` was read before or is an
        upload without a file, or `filename` and `content_type` are swapped.
    """

    filename: str | None
    content_type: str
    data: Data | DataSource
    disposition: str
    headers: dict[str, str]

    def __init__(
        self,
        filename: str | None = None,
        content_type: str | None = None,
        data: Data | None = None,
        disposition: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        *,
        path: FilePath | None = None,
        file: File | None = None,
        content_id: str | None = None,
    ) -> None:
        if sum(each is not None for each in (data, path, file)) > 1:
            raise MessageError("Give only one of 'data', 'path' and 'file'.")
        _check_order(filename, content_type, data)
        if isinstance(file, os.PathLike):
            path, file = file, None
        content: Data | DataSource
        if path is not None:
            from ..util.files import FileData

            content = FileData.of(path)
            filename = os.path.basename(content.path) if filename is None else filename  # noqa: PTH119
        elif file is not None:
            from .uploads import read_upload

            upload = read_upload(file)
            content = upload.content
            filename = upload.name if filename is None else filename
            content_type = content_type or upload.content_type
        elif data is not None:
            content = data
            if filename == "":  # browsers send this for a field without a file
                from .uploads import name_of_upload

                filename = name_of_upload(content_type, content)
        else:
            raise MessageError("The 'data' argument is required, unless 'path' or 'file' is given.")
        self.filename = filename
        self.content_type = content_type or guess_content_type(filename, content)
        self.data = content
        self.disposition = disposition or ("attachment" if content_id is None else "inline")
        self.headers = dict(headers or {})
        if content_id is not None:
            self.headers["Content-ID"] = f"<{_checked(content_id)}>"

    def read(self) -> bytes:
        """Return the content as bytes, text in UTF-8.

        :raises MessageError: the attached file is missing or has changed.
        """
        return self.data.encode() if isinstance(self.data, str) else bytes(self.data)

    @property
    def content_id(self) -> str | None:
        """The Content-ID without brackets, to which HTML refers as ``cid:...``, or ``None``."""
        from ..mime.parts import content_id_in

        return content_id_in(self.headers)

    def __repr__(self) -> str:
        name, kind = describe(self.filename), describe(self.content_type)
        return f"<Attachment {name} {kind} {length_hint(self.data)}>"


class Attaching:
    """Mixin with `attach()`, `attach_file()` and `embed()`."""

    attachments: Copied[Iterable[Attachment], list[Attachment]]
    _token: str

    def attach(
        self,
        filename: str | None = None,
        content_type: str | None = None,
        data: Data | None = None,
        disposition: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        *,
        path: FilePath | None = None,
        file: File | None = None,
        content_id: str | None = None,
    ) -> None:
        """Add an :class:`Attachment`, which takes the same arguments.

        The empty upload of a form in which no file was chosen adds nothing.
        """
        from .uploads import NothingUploaded

        with suppress(NothingUploaded):
            self.attachments.append(
                Attachment(
                    filename,
                    content_type,
                    data,
                    disposition,
                    headers,
                    path=path,
                    file=file,
                    content_id=content_id,
                )
            )

    def attach_file(
        self, path: FilePath, filename: str | None = None, content_type: str | None = None
    ) -> None:
        """Attach a file, which is read when the message is sent.

        :param filename: the name that readers see; that of the file by default.
        :param content_type: guessed by default.
        :raises OSError: the file cannot be read.
        """
        self.attach(filename, content_type, path=path)

    def embed(
        self,
        content: FilePath | File,
        filename: str | None = None,
        content_type: str | None = None,
        *,
        content_id: str | None = None,
    ) -> str:
        """Attach an image, or another file, for use in the HTML; return its Content-ID.

        The HTML refers to it as ``<img src="cid:...">``, with the Content-ID after ``cid:``.

        :param content: the path of a file, its content as bytes, or an open file.
        :param content_id: generated by default.
        :raises OSError: the file cannot be read.
        """
        attachment = Attachment(
            filename,
            content_type,
            file=Path(content) if isinstance(content, str) else content,
            content_id=content_id or self._unused_content_id(),
        )
        self.attachments.append(attachment)
        return str(attachment.content_id)

    def _unused_content_id(self) -> str:
        from ..mime.parts import content_id_in

        used = {content_id_in(getattr(each, "headers", None)) for each in self.attachments}
        # Skip used ids: attachments may have been removed, so their number is not enough.
        numbers = count(len(self.attachments) + 1)
        ids = (f"part{number}.{self._token[:16]}@embedded" for number in numbers)
        return next(each for each in ids if each not in used)


def guess_content_type(filename: object, data: object) -> str:
    """Guess the content type from the name, else from the data."""
    # Without "./", guess_type() may parse a name as a URL of the scheme "data".
    kind, compression = guess_type(f"./{filename}") if filename is not None else (None, None)
    is_image = kind == "image/svg+xml"  # readers unpack .svgz
    if compression is not None and not is_image and not isinstance(data, str):
        return _COMPRESSED.get(compression, _UNKNOWN)
    if kind is None and isinstance(data, str):
        kind = "text/plain"
    return kind or _certain_type(data) or _UNKNOWN


def _certain_type(data: object) -> str | None:
    if isinstance(data, (bytes, bytearray, memoryview)):
        beginning = bytes(data[:8])
    else:  # a DataSource, or a wrong type
        beginning = next(data.blocks(), b"") if hasattr(data, "blocks") else b""
    return next((kind for start, kind in _BEGINNINGS if beginning.startswith(start)), None)


def _check_order(filename: object, content_type: object, data: object) -> None:
    """Refuse swapped arguments, such as the order of other libraries."""
    if not content_type or _is_type(content_type):
        return
    if _is_type(filename):
        raise MessageError(
            f"{describe(content_type)} is not a content type such as {filename}. Did you swap"
            " filename and content type?"
        )
    if _is_type(data) or isinstance(content_type, (bytes, bytearray, memoryview)):
        raise MessageError(
            f"{describe(content_type)} is not a content type. Did you swap content type and data?"
            " Their order is filename, content_type, data."
        )


def _is_type(value: object) -> bool:
    return isinstance(value, str) and _TYPE.match(value) is not None


def _checked(content_id: str) -> str:
    bare = content_id.removeprefix("<").removesuffix(">")
    if not _CONTENT_ID.fullmatch(bare):
        raise MessageError(
            f"{describe(content_id)} is not a valid content_id: use printable ASCII without spaces"
            ' or angle brackets, such as "logo".'
        )
    return bare
