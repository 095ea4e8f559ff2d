"""Attributes for headers that mail programs act on: priority, threads, mailing lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import MessageError
from ..util.patterns import lazy_pattern
from ..util.text import describe, plain_text

if TYPE_CHECKING:
    from .message import Message

# Outlook reads the first two, Thunderbird and Apple Mail X-Priority.
_PRIORITIES = {
    "high": {"X-Priority": "1", "Importance": "high", "Priority": "urgent"},
    "normal": {"X-Priority": "3", "Importance": "normal", "Priority": "normal"},
    "low": {"X-Priority": "5", "Importance": "low", "Priority": "non-urgent"},
}
_LEVELS = {"1": "high", "2": "high", "3": "normal", "4": "low", "5": "low"}

# Lenient, as other programs' Message-IDs may break RFC 5322 section 3.6.4. Without brackets, only
# an @ distinguishes one from a word.
_ID = lazy_pattern(r"<(?! *>)([ -;=?-~]+)>|<?([!-;=?A-~]+@[!-;=?-~]*)>?")
_IDS = lazy_pattern(r"<[^<>]*>|\S+")
_LONGEST_ID = 900  # it cannot be folded, so it must fit in a line of 998 octets
# RFC 3834 section 5 and RFC 5436 section 2.7.1; later RFCs may add more.
_AUTOMATIC = lazy_pattern(r"no|auto-[a-z]{1,40}")
_SUPPRESS = "X-Auto-Response-Suppress"  # read by Exchange (MS-OXCMAIL)

# re.ASCII: KELVIN SIGN and LONG S would match as letters.
_URL = lazy_pattern(r"https?://[!$-.0-;=@-\[\]_a-z~][!#-;=?-\[\]_a-z~]*", re.ASCII | re.IGNORECASE)
_QUERY = lazy_pattern(r"[!#-;=?-\[\]_a-z~]*", re.ASCII | re.IGNORECASE)
_LONGEST_LINK = 900  # it cannot be folded, so it must fit in a line of 998 octets
# Unescaped in the local part of a mailto URL (RFC 6068 section 2).
MAILTO_SAFE = "!$'()*+-._~"


class HeaderAttributes:
    """Mixin: attributes stored in :attr:`extra_headers` (priority, threading, mailing lists).

    Setting one to ``None`` removes its headers.
    """

    extra_headers: dict[str, str] | None

    @property
    def priority(self) -> str | None:
        """``"high"``, ``"normal"`` or ``"low"``; accepts 1 (highest) to 5 as well.

        Sets X-Priority, Importance and Priority, as mail programs read different ones.

        :raises MessageError: the value is not one of these.
        """
        importance = (self._header("Importance") or "").strip().lower()
        if importance in _PRIORITIES:
            return importance
        return _LEVELS.get((self._header("X-Priority") or "").strip()[:1])

    @priority.setter
    def priority(self, value: str | int | None) -> None:
        is_level = isinstance(value, int) and not isinstance(value, bool)
        level = _LEVELS.get(f"{value:x}", "") if is_level else plain_text(value)
        if value is not None and level not in _PRIORITIES:
            raise MessageError(
                f'{describe(value)} is not a valid priority: use "high", "normal" or "low", or a'
                " number from 1 (highest) to 5."
            )
        for name in _PRIORITIES["normal"]:
            self._set_header(name, _PRIORITIES[level][name] if level else None)

    @property
    def in_reply_to(self) -> str | None:
        """Message-ID of the message being replied to; accepts a `Message`.

        Also sets :attr:`references` unless they are set, so that readers find the thread (RFC 5322
        section 3.6.4).

        :raises MessageError: the value is not a Message-ID.
        """
        return self._header("In-Reply-To")

    @in_reply_to.setter
    def in_reply_to(self, value: str | Message | None) -> None:
        answered = None if value is None else _id_of(value, "in_reply_to")
        self._set_header("In-Reply-To", answered)
        if answered is not None and self.references is None:
            # RFC 5322 section 3.6.4. The references of a foreign message may be invalid.
            earlier = getattr(value, "references", None) or getattr(value, "in_reply_to", None)
            ids = [each for each in _IDS.findall(earlier or "") if _found_id(each)]
            self._set_header("References", " ".join(dict.fromkeys([*ids, answered])))

    @property
    def references(self) -> str | None:
        """Message-IDs of the thread, oldest first, as one str.

        Accepts a list of Message-IDs or messages.

        :raises MessageError: a value is not a Message-ID.
        """
        return self._header("References")

    @references.setter
    def references(self, value: str | Message | Iterable[str | Message] | None) -> None:
        if value is None:
            self._set_header("References", None)
            return
        text = plain_text(value)
        given: Iterable[Any] = [value]
        if hasattr(value, "msgId"):
            pass  # a message, even if its class is also iterable
        elif text is not None:
            given = _IDS.findall(text)
        elif isinstance(value, Iterable):
            given = value
        ids = [_id_of(each, "references") for each in given]
        self._set_header("References", " ".join(dict.fromkeys(ids)) or None)

    @property
    def auto_submitted(self) -> str | None:
        """Mark the message as automatic so that auto-responders do not reply (RFC 3834).

        ``"auto-generated"``, for which ``True`` is short, or ``"auto-replied"``. Also sets
        X-Auto-Response-Suppress, which Exchange reads, unless the message has its own.

        :raises MessageError: the value is not such a keyword.
        """
        return self._header("Auto-Submitted")

    @auto_submitted.setter
    def auto_submitted(self, value: str | bool | None) -> None:
        keyword = "auto-generated" if value is True else value or None
        if keyword is not None and not _AUTOMATIC.fullmatch(str(keyword)):
            raise MessageError(
                f'auto_submitted cannot be {describe(value)}: use True, "auto-generated" or'
                ' "auto-replied" (RFC 3834).'
            )
        self._set_header("Auto-Submitted", keyword)
        suppressed = self._header(_SUPPRESS)
        if suppressed is None or suppressed == "All":
            self._set_header(_SUPPRESS, None if keyword in (None, "no") else "All")

    def list_unsubscribe(
        self, url: str | None = None, mailto: str | None = None, *, one_click: bool = False
    ) -> None:
        """Add an unsubscribe button for a mailing list (RFC 2369, RFC 8058).

        Gmail and Yahoo require bulk senders to set it, with `one_click`.

        :param url: a page to unsubscribe; with `one_click`, a POST request to it must unsubscribe
            without asking for confirmation.
        :param mailto: an address to write to in order to unsubscribe, optionally with a query such
            as ``?subject=leave``.
        :raises MessageError: the URL or address is invalid, or `one_click` is set without https;
            for development hosts, such as localhost, http:// is accepted, and lint reports it.
        """
        links = []
        if url is not None:
            links.append(_checked_url(plain_text(url) or ""))
        if mailto is not None:
            links.append(_checked_mailto(plain_text(mailto) or ""))
        if not links:
            raise MessageError("list_unsubscribe needs url=... or mailto=..., or both.")
        from ..util.hosts import is_in_development

        is_secure = links[0].lower().startswith("https://")
        if one_click and not is_secure and not is_in_development(links[0]):
            raise MessageError(
                "list_unsubscribe with one_click needs a url that begins with https://"
                " (RFC 8058 section 3.1)."
            )
        self._set_header("List-Unsubscribe", ", ".join(f"<{link}>" for link in links))
        self._set_header(
            "List-Unsubscribe-Post", "List-Unsubscribe=One-Click" if one_click else None
        )

    def _header(self, wanted: str) -> str | None:
        for name, value in _items(self.extra_headers):
            if str(name).lower() == wanted.lower():
                return str(value)
        return None

    def _set_header(self, name: str, value: str | None) -> None:
        if self.extra_headers is not None and not isinstance(self.extra_headers, Mapping):
            raise MessageError(
                f"extra_headers must be a dict before {name} can be set, not"
                f" {describe(self.extra_headers)}."
            )
        kept = {
            each: old
            for each, old in _items(self.extra_headers)
            if str(each).lower() != name.lower()
        }
        if value is not None:
            kept[name] = value
        if value is not None or len(kept) < len(self.extra_headers or ()):
            self.extra_headers = kept


def _items(headers: object) -> Iterable[tuple[str, str]]:
    return headers.items() if isinstance(headers, Mapping) else ()


def _id_of(value: object, argument: str) -> str:
    given: Any = getattr(value, "msgId", value)
    for name, own in _items(getattr(value, "extra_headers", None)):
        if str(name).lower() == "message-id":  # it replaces msgId when the message is sent
            given = own
    found = _found_id((plain_text(given) or "").strip())
    if found is None:
        raise MessageError(
            f"{argument} {describe(value)} is not a Message-ID: write <unique@domain>, or pass the"
            " Message."
        )
    return f"<{found[1] or found[2]}>"


def _found_id(written: str) -> re.Match[str] | None:
    return _ID.fullmatch(written) if len(written) <= _LONGEST_ID else None


def _checked_url(url: str) -> str:
    link = url.replace(",", "%2C")  # some programs end the URL at a comma
    if len(link) > _LONGEST_LINK or not _URL.fullmatch(link):
        raise MessageError(
            f"list_unsubscribe: {describe(url)} is not a usable URL. It must begin with https:// or"
            " http:// and a host, have at most 900 characters, and percent-encode spaces and"
            " non-ASCII characters."
        )
    return link


def _checked_mailto(mailto: str) -> str:
    address, mark, query = mailto.removeprefix("mailto:").partition("?")
    from ..address.parser import parse_address

    found = parse_address(address, "mailto")
    link = f"mailto:{quote(found.local, safe=MAILTO_SAFE)}@{found.domain}{mark}"
    link += query.replace(",", "%2C")
    if found.name or not _QUERY.fullmatch(query) or len(link) > _LONGEST_LINK:
        raise MessageError(
            f"list_unsubscribe: {describe(mailto)} is not a usable mailto. It must be an address"
            " without a name, may have a percent-encoded query such as ?subject=leave, and has at"
            " most 900 characters."
        )
    return link
