"""Requests to services by HTTP, and their answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

from ..util.patterns import lazy_pattern
from ..util.secret import Secret
from ..util.text import is_plain
from .http_json import JsonBody

_LONGEST_DELAY: Final = 7 * 86400.0
_PATH: Final = lazy_pattern(r"(?:[/?][!$-;=?-~]*)?")
_METHOD: Final = lazy_pattern(r"[A-Z]{1,20}")
_NAME: Final = lazy_pattern(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,76}")  # RFC 9110 section 5.1
_OF_LOGIN: Final = lazy_pattern(r"(?i).*(?:auth|cookie|key|password|secret|signature|token)")
_NOT_SECRET: Final = ("idempotency-key", "x-idempotency-key")
# A second one would move the end of the request (RFC 9112 section 11.2).
_OF_BASE: Final = ("connection", "content-length", "host", "transfer-encoding")


class Blocks(Protocol):
    """A body that is made while it is sent; its length in octets is known."""

    def __len__(self) -> int: ...

    def blocks(self) -> Iterator[bytes]:
        """Yield the octets."""


@dataclass(frozen=True)
class Request:
    """A request, as :meth:`HttpBackend.request` returns it; its repr shows no header or body."""

    path: str
    """The rest of the URL after that of the service: a path with ``/``, a query with ``?``, or
    nothing. Percent-encode text of others in it."""
    body: bytes | Blocks | Mapping[str, Any] | list[Any] = field(default=b"", repr=False)
    """A dict or list is sent as JSON; in it, :class:`Base64` and the files of
    :attr:`.Outgoing.fields` become text in base64, which is made while it is sent. Otherwise bytes,
    or an object with a length and a method ``blocks()``, which yields bytes."""
    headers: Mapping[str, str | Secret] | Iterable[tuple[str, str | Secret]] = field(
        default=(), repr=False
    )
    """Headers; the base adds those of the connection and the length. A :class:`.Secret`, and the
    value of a header such as ``Authorization`` or ``X-Token``, is not shown anywhere."""
    method: str = "POST"

    def __post_init__(self) -> None:
        given = self.headers.items() if isinstance(self.headers, Mapping) else self.headers
        object.__setattr__(self, "headers", tuple(given))
        if isinstance(self.body, (Mapping, list)):
            object.__setattr__(self, "body", JsonBody(self.body))

    @property
    def _fields(self) -> tuple[tuple[str, str | Secret], ...]:
        return self.headers  # type: ignore[return-value]  # since __post_init__

    def current(self) -> Request:
        """Return this request with the present value of each secret.

        :raises BackendUnavailable: a secret is a callable that failed.
        """
        fields = tuple(
            (name, value.current() if isinstance(value, Secret) else value)
            for name, value in self._fields
        )
        return replace(self, headers=fields)

    def fault(self) -> tuple[str, bool]:
        """Return what is wrong with it, and True if that is a secret; empty if nothing is."""
        if not _METHOD.fullmatch(self.method) or not _PATH.fullmatch(self.path):
            return "its path or method has characters that must be percent-encoded", False
        for name, value in self._fields:
            if not _NAME.fullmatch(name) or name.lower() in _OF_BASE:
                return f"it may not have a header {name!r}", False
            if not is_plain(value.reveal() if isinstance(value, Secret) else value):
                setting = value.setting if isinstance(value, Secret) else f"its header {name}"
                return f"{setting} must be printable ASCII", _is_secret(name, value)
        return "", False

    def secrets(self) -> Iterator[Secret]:
        """Yield the secrets in its headers."""
        for name, value in self._fields:
            if isinstance(value, Secret):
                yield value
            elif _is_secret(name, value):
                after = value.partition(" ")[2]
                yield Secret(after or value)  # without a scheme such as Bearer
                if after and not name.lower().endswith("authorization"):
                    yield Secret(value)  # that was not a scheme, but a cookie, or part of a key

    def head(self, target: str, host: str) -> memoryview:
        """Return the octets before the body. Not bytes, which tracebacks would show."""
        return memoryview("\r\n".join(self._head(target, host)).encode("ascii"))

    def _head(self, target: str, host: str) -> Iterator[str]:
        yield f"{self.method} {_joined(target, self.path)} HTTP/1.1"
        yield f"Host: {host}"
        given = {name.lower() for name, _ in self._fields}
        for name, value in (
            ("User-Agent", "Flask-Mail"),
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("Content-Type", getattr(self.body, "content_type", "")),
        ):
            if value and name.lower() not in given:
                yield f"{name}: {value}"
        for name, value in self._fields:
            yield f"{name}: {value.reveal() if isinstance(value, Secret) else value}"
        yield f"Content-Length: {len(self.body)}\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """The answer to a request, complete; its repr shows no header or body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The first of each name, in lower case."""
    body: bytes = field(default=b"", repr=False)
    """Up to 64 KiB."""
    is_cut: bool = False
    """True if the body is longer."""
    is_early: bool = False
    """True if it came before the request was complete, so that nothing was accepted."""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the JSON in the body.

        :raises ValueError: the body is not valid JSON.
        """
        try:
            return json.loads(self.body)
        except RecursionError:  # from a body of many brackets
            raise ValueError("it is nested too deeply") from None

    def find(self, *names: str) -> str:
        """Return the text in an object of JSON, such as ``answer.find("error", "message")``.

        Numbers become text. Empty if there is no JSON, no such member, or none with text.
        """
        try:
            found = self.json()
        except ValueError:
            return ""
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        is_text = isinstance(found, (str, int)) and not isinstance(found, bool)
        return str(found).strip() if is_text else ""

    def require(self, *names: str) -> str:
        """Return what :meth:`find` finds, such as the id of an accepted message.

        :raises ValueError: it is missing.
        """
        found = self.find(*names)
        if not found:
            raise ValueError(f"there is no {'.'.join(names)} in the answer")
        return found

    def retry_after(self, clock: Callable[[], float] = time.time) -> float | None:
        """Return the seconds in its Retry-After (RFC 9110 section 10.2.3), up to a week."""
        given = self.headers.get("retry-after", "").strip()
        if given.isascii() and given.isdigit():
            return min(float(given[:9]), _LONGEST_DELAY)
        try:
            seconds = parsedate_to_datetime(given).timestamp() - clock()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
        return min(max(seconds, 0.0), _LONGEST_DELAY)

    def without(self, secrets: Iterable[Secret]) -> Answer:
        """Return this answer with ``***`` for each secret that it repeats."""
        body, headers = self.body, dict(self.headers)
        for each in secrets:
            cover = each._cover  # noqa: SLF001 (of the package)
            body = cover(body)
            for name, value in headers.items():
                headers[name] = cover(value.encode("utf-8", "replace")).decode("utf-8")
        return replace(self, body=body, headers=headers)


def _is_secret(name: str, value: str | Secret) -> bool:
    if isinstance(value, Secret):
        return True
    return name.lower() not in _NOT_SECRET and _OF_LOGIN.match(name) is not None


def _joined(target: str, path: str) -> str:
    return target.rstrip("/") + path if path.startswith("/") else (target or "/") + path
