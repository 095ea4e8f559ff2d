"""Protection from other web pages: checks of requests, and headers of responses.

Every page in a developer's browser can reach the development server. A malicious page may use a
host name that resolves to this machine (DNS rebinding), send forms (CSRF), or show the inbox in a
frame.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import Response, abort, g, make_response, request, url_for

from ..config import table as settings

if TYPE_CHECKING:
    from flask import Flask

_COOKIE: Final = "flask_mail_inbox"
# Names that no stranger can register (RFC 6761).
_LOCAL: Final = ("localhost", "test")

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
_INERT: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"


_FORWARDED_FOR: Final = re.compile(r'for\s*=\s*"?(\[[^\]]*\]|[^\s;,":]*)', re.IGNORECASE)


def check_peer(app: Flask) -> None:
    """Refuse a request that does not come from this machine, unless ``MAIL_INBOX`` is set.

    The inbox has no login, and the server of a developer may listen on every interface.
    """
    if not (_is_open(app) or all(map(_is_loopback, _peers(request.environ)))):
        abort(
            make_response(
                "This inbox answers only to this machine: it has no login, and shows all mail of"
                " the app. In a container, behind a proxy or for other machines, set"
                " MAIL_INBOX=True.\n",
                403,
                {"Content-Type": "text/plain; charset=utf-8"},
            )
        )


def _is_open(app: Flask) -> bool:
    """Return True if ``MAIL_INBOX`` is set explicitly, which allows other machines."""
    return bool(settings.lookup(app.config, "MAIL_INBOX", False))


def _peers(environ: dict[str, Any]) -> Iterator[str]:
    """Yield all known client addresses of a request, including those of proxies."""
    yield environ.get("REMOTE_ADDR", "")
    # ProxyFix replaces it by what a header says, and anybody can send that header.
    replaced: dict[str, Any] = environ.get("werkzeug.proxy_fix.orig") or {}
    yield replaced.get("REMOTE_ADDR") or environ.get("REMOTE_ADDR", "")
    # Headers can only take away: a proxy on this machine may serve the whole network.
    for header in ("HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP"):
        yield from filter(None, map(str.strip, environ.get(header, "").split(",")))
    yield from _FORWARDED_FOR.findall(environ.get("HTTP_FORWARDED", ""))


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.strip("[]"))
    except ValueError:  # a Unix socket has no address, and what asks there is a proxy for others
        return False
    # Before Python 3.13, ::ffff:127.0.0.1 is not a loopback address.
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def check_host(app: Flask) -> None:
    """Refuse a request for a host that may be a stranger's name for this machine.

    :param app: the app whose ``SERVER_NAME`` and ``TRUSTED_HOSTS`` are its own names.
    """
    if not (_is_known(request.host, app) and _is_asked_by_a_proxy_or_known(app)):
        abort(
            make_response(
                "This inbox answers only to localhost, to IP addresses, and to the names in"
                " SERVER_NAME and TRUSTED_HOSTS, so that no web site can read it through a name"
                " of its own. Add the name to TRUSTED_HOSTS if it is yours.\n",
                403,
                {"Content-Type": "text/plain; charset=utf-8"},
            )
        )


def _is_known(written: str, app: Flask) -> bool:
    host = _name_of(written)
    return _is_local(host) or _is_own(host, app)


def _is_asked_by_a_proxy_or_known(app: Flask) -> bool:
    # With ProxyFix the host is what a header says, and where there is no proxy, a script of the
    # stranger's page can set that header. A proxy may know this server by a name without a dot.
    replaced: Any = request.environ.get("werkzeug.proxy_fix.orig") or {}
    asked = replaced.get("HTTP_HOST")
    return not asked or "." not in _name_of(asked) or _is_known(asked, app)


def _name_of(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:  # no browser asks for such a host
        return host


def _is_local(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.rpartition(".")[2] in _LOCAL
    return True  # an address cannot be made to lead elsewhere


def _is_own(host: str, app: Flask) -> bool:
    trusted: Any = app.config.get("TRUSTED_HOSTS") or ()
    names = [
        app.config.get("SERVER_NAME") or "",
        *([trusted] if isinstance(trusted, str) else trusted),
    ]
    for name in names:
        own = (urlsplit(f"//{name}").hostname or "").lower()
        if own and (host == own.lstrip(".") or (own.startswith(".") and host.endswith(own))):
            return True
    return False


def check_origin() -> None:
    """Refuse what the page of another site asks for, except that it may link here."""
    site = request.headers.get("Sec-Fetch-Site", "none")
    is_link = (
        request.method == "GET"
        and request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest") == "document"
    )
    if site not in ("none", "same-origin") and not is_link:
        abort(403, "Another site asked for this.")
    # Programs other than browsers send none of the two; browsers name the origin of what changes
    # anything. The scheme is left out: a proxy may have changed it.
    origin = request.headers.get("Origin", request.host_url).rstrip("/")
    if request.method not in ("GET", "HEAD") and origin.partition("://")[2] != request.host:
        abort(403, "Another site asked for this.")


def token() -> str:
    """Return what the forms of this browser carry; the response gives it as a cookie too."""
    kept: str | None = g.get("flask_mail_token")
    if kept is None:
        kept = request.cookies.get(_COOKIE, "")
        if len(kept) < 40:
            kept = secrets.token_urlsafe(32)
        g.flask_mail_token = kept
    return kept


def check_token() -> None:
    """Refuse a form that was not served by this inbox."""
    given, kept = request.form.get("token", ""), request.cookies.get(_COOKIE, "")
    if len(kept) < 40 or not hmac.compare_digest(given.encode(), kept.encode()):
        abort(403, "This form has no valid token: reload the page, and try again.")


def protect(response: Response) -> Response:
    """Add the headers that each response needs; a view may have set a policy of its own."""
    headers = response.headers
    is_page = response.mimetype == "text/html"
    headers.setdefault("Content-Security-Policy", POLICY if is_page else _INERT)
    headers.setdefault("X-Frame-Options", "DENY")
    headers["X-Content-Type-Options"] = "nosniff"
    # Or browsers ask for the hosts of all links, which may be made for one reader.
    headers["X-DNS-Prefetch-Control"] = "off"
    # Without any referrer, browsers say of a form that its origin is "null".
    headers.setdefault("Referrer-Policy", "same-origin")
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers.setdefault("Cache-Control", "no-store")
    kept = g.pop("flask_mail_token", None)
    if kept is not None:
        response.set_cookie(
            _COOKIE,
            kept,
            path=url_for(".messages"),
            secure=request.is_secure,
            httponly=True,
            samesite="Strict",
        )
    return response
