"""Reading of URLs that configure a mailer, such as ``MAIL_URL``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from ..util.patterns import lazy_pattern

_SCHEME = lazy_pattern(r"[a-z][a-z0-9]*")
_STRAY_PERCENT = lazy_pattern(r"%(?![0-9A-Fa-f]{2})")
_AUTHORITY_END = lazy_pattern("[/?]")
_OPTION = lazy_pattern(r"[A-Za-z][A-Za-z0-9_]*")
# Schemes that are not the name of a backend, with the option that they imply.
ALIASES: Final = {"smtps": ("smtp", {"use_ssl": True})}


class MailURL:
    """The decoded parts and options of a URL. Its repr does not show them: they contain secrets."""

    __slots__ = ("backend", "implied", "options", "parts")

    def __init__(self, backend: str, parts: Mapping[str, str], options: Mapping[str, str]) -> None:
        self.backend, self.implied = ALIASES.get(backend, (backend, {}))
        self.parts = parts
        self.options = options

    def part_of(self, option: str, url_parts: Mapping[str, str]) -> str:
        """Return the part of such a URL that has an option, for errors.

        :param url_parts: the options that parts stand for, as `Backend.url_parts`.
        """
        for scheme, (backend, implied) in ALIASES.items():
            if backend == self.backend and option in implied and option not in self.options:
                return f"{scheme}://"
        for part, named in url_parts.items():
            if named == option:
                if part != "username":
                    return f"the {part}"
                # Of a service, it is the key.
                return "the user name" if option == part else f"the user name ({option})"
        return f"?{option}="


def form_of(backend: str, url_parts: Mapping[str, str]) -> str:
    """Return the form of the URLs of a backend, such as ``resend://KEY@?option=value``."""
    marks = {"username": "{}", "password": ":{}", "host": "{}", "port": ":{}", "path": "/{}"}
    parts = {
        part: mark.format(url_parts[part].upper())
        for part, mark in marks.items()
        if part in url_parts
    }
    login = "".join(parts.pop(each, "") for each in ("username", "password"))
    return f"{backend}://{login and login + '@'}{''.join(parts.values())}?option=value"


def read_url(value: str) -> MailURL | str:
    """Return the parts of ``scheme://[user[:password]@][host[:port]][/path][?option=value&...]``.

    Each part is percent-decoded once. If the URL is not valid, return what is wrong with it, and no
    part of it. Nothing is raised, because the frame of an error would contain a password.
    """
    if any(each.isspace() or not each.isprintable() for each in value):
        return "contains white space or a control character: percent-encode a space as %20."
    scheme, separator, rest = value.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        return 'is not a URL such as "smtp://user:password@smtp.example.com:587".'
    if "#" in rest:
        return "contains #, which a URL of a mailer has no use for: percent-encode it as %23."
    if _STRAY_PERCENT.search(rest):
        return "contains a % that does not begin an escape such as %40: percent-encode it as %25."
    authority = _AUTHORITY_END.split(rest, 1)[0]
    if authority.count("@") > 1 or "@" in rest[len(authority) :]:
        return (
            "contains @ in a place where it must be percent-encoded as %40, and / as %2F and ? as"
            " %3F; usually the password has one."
        )
    try:
        found = urlsplit(value)
        port = found.port
    except ValueError:
        return "has a host or port that is not valid: a port is a number from 1 to 65535."
    userinfo, at, place = found.netloc.rpartition("@")
    if place.endswith(":") or port == 0:
        return "has a port that is not valid: a port is a number from 1 to 65535."
    username, _, password = userinfo.partition(":")
    if at and not username:
        return "has no user name before its password or @."
    options = _options(found.query)
    if isinstance(options, str):
        return options
    parts = {
        "username": username,
        "password": password,
        "host": found.hostname or "",
        "port": "" if port is None else str(port),
        "path": "" if found.path == "/" else found.path,
    }
    decoded = _decoded({name: part for name, part in parts.items() if part})
    return decoded if isinstance(decoded, str) else MailURL(scheme, decoded, options)


def _options(query: str) -> dict[str, str] | str:
    options: dict[str, str] = {}
    for each in query.split("&") if query else ():
        name, separator, value = each.partition("=")
        if not separator or not _OPTION.fullmatch(name):
            return "has a query that is not of the form ?option=value&option=value."
        if name.lower() in options:
            return f"gives the option {name.lower()!r} twice."
        options[name.lower()] = value
    return _decoded(options)


def _decoded(parts: dict[str, str]) -> dict[str, str] | str:
    decoded = {}
    for name, part in parts.items():
        try:
            decoded[name] = unquote(part, errors="strict")
        except UnicodeDecodeError:
            return "contains an escape that is not UTF-8."
        if not all(map(str.isprintable, decoded[name])):
            return "contains an escaped control character."
    return decoded
