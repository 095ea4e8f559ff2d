"""Trial of an SMTP server, step by step, without sending."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ..errors import OPENING
from ..smtp import legacy
from ..smtp.replies import reply_of
from ..smtp.session import observed, wire_of
from .values import ProbeStep

if TYPE_CHECKING:
    import smtplib

    from ..smtp.session import Server
    from .smtp import SmtpBackend

_NAMES_SHOWN = 5  # certificates of big providers have a hundred


def probe(backend: SmtpBackend, sender: str | None) -> Iterator[ProbeStep]:
    """Connect, negotiate TLS, log in and test the sender; stop after the first failure."""
    server = backend.server
    steps = ["connect", "greeting", "tls", "login"]
    if server.implicit_tls:
        steps = ["connect", "tls", "greeting", "login"]
    skipped = _not_configured(server)
    found = {"connect": str(server)}

    def note(stage: str, session: smtplib.SMTP) -> None:
        found[stage] = _details(server, session)[stage]

    try:
        with observed(note):
            session = backend.open()
    except Exception as error:  # noqa: BLE001 (any error is a failed step)
        failed = _failed_step(error)
        for name in steps[: steps.index(failed)]:
            yield skipped.get(name, ProbeStep(name, "ok", found.get(name, "")))
        yield ProbeStep(failed, "failed", str(error) or type(error).__name__)
        return
    try:
        details = _details(server, session)
        for name in steps:
            yield skipped.get(name, ProbeStep(name, "ok", details[name]))
        yield _ask_for(sender, session, server)
    finally:
        backend.retire(session)


def _not_configured(server: Server) -> Mapping[str, ProbeStep]:
    skipped = {}
    if not server.is_encrypted:
        skipped["tls"] = "not configured ({use_tls}, {use_ssl})"
    if server.username is None:
        skipped["login"] = "not configured ({username})"
    return {
        name: ProbeStep(name, "skipped", why.format_map(server.names))
        for name, why in skipped.items()
    }


def _failed_step(error: Exception) -> str:
    # With implicit TLS the handshake is part of connecting.
    if isinstance(error, ssl.SSLError):
        return "tls"
    stage = getattr(error, "stage", "")
    return stage if stage in OPENING else "connect"  # a subclass may have steps of its own


def _details(server: Server, session: smtplib.SMTP) -> Mapping[str, str]:
    if not legacy.is_genuine(session):
        return dict.fromkeys(("connect", "greeting", "tls", "login"), "smtplib is replaced")
    return {
        "connect": str(server),
        "greeting": f"offers {' '.join(session.esmtp_features).upper() or 'no extensions'}",
        "tls": describe_tls(session.sock) if isinstance(session.sock, ssl.SSLSocket) else "",
        "login": f"as {server.username}",
    }


def describe_tls(sock: ssl.SSLSocket) -> str:
    """Return what was negotiated with a server, and the names in its certificate."""
    version, cipher, certificate = sock.version(), sock.cipher(), sock.getpeercert()
    negotiated = f"{version}, {cipher[0] if cipher else 'no cipher'}"
    if not certificate:
        return f"{negotiated}, certificate not verified"
    fields: Any = certificate
    names = [f"{name}={value}" for part in fields.get("subject", ()) for name, value in part]
    names += [f"{kind}={value}" for kind, value in fields.get("subjectAltName", ())]
    expires = datetime.fromtimestamp(
        ssl.cert_time_to_seconds(fields["notAfter"]), timezone.utc
    ).date()
    return f"{negotiated}, certificate of {', '.join(names[:_NAMES_SHOWN])} until {expires}"


def _ask_for(sender: str | None, session: smtplib.SMTP, server: Server) -> ProbeStep:
    """Test if the server accepts mail from `sender`, then reset the transaction."""
    if sender is None:
        return ProbeStep("sender", "skipped", "MAIL_DEFAULT_SENDER is not set to an address")
    if not legacy.is_genuine(session):
        return ProbeStep("sender", "skipped", "smtplib is replaced")
    argument = f"FROM:<{sender}>"
    if not sender.isascii():
        if not session.has_extn("smtputf8"):
            return ProbeStep("sender", "failed", f"{sender} needs SMTPUTF8 (RFC 6531)")
        session.command_encoding = "utf-8"
        argument += " SMTPUTF8"
    command = "MAIL"
    wire = wire_of(session, server)
    try:
        wire.trace("C", f"{command} {argument}")
        reply = accepted = reply_of(session.docmd(command, argument))
        if reply.code == 250:
            command = "RSET"
            wire.trace("C", command)
            reply = reply_of(session.docmd(command))
    except OSError as error:
        return ProbeStep("sender", "failed", f"the connection broke at {command}: {error}")
    if reply.code != 250:
        return ProbeStep("sender", "failed", f"{sender}: {command} got {reply}")
    return ProbeStep("sender", "ok", f"{sender}: {accepted}")
