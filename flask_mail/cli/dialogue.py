"""Try the backend out, step by step, and send nothing."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

from ..backends.smtp import SmtpBackend
from ..smtp import stand_in
from ..smtp.replies import reply_of

if TYPE_CHECKING:
    import smtplib

    from ..addresses import Address
    from ..extension import _Mail
    from ..smtp.client import Server

_NAMES_SHOWN = 5  # certificates of big providers hold a hundred


@dataclass(frozen=True)
class Step:
    """One step of the trial."""

    name: str
    status: Literal["ok", "failed", "skipped"]
    detail: str


def trial(state: _Mail, chosen: Any, sender: Address | None) -> Iterator[Step]:
    """Build a backend, and for smtp connect, negotiate TLS, log in and ask for the sender.

    Ends after the first step that fails.

    :param chosen: what names the backend, suppressed or not.
    """
    try:
        backend = state.backend_for(chosen)
    except Exception as error:  # noqa: BLE001 (a plugin's constructor may raise anything)
        yield Step("build", "failed", str(error) or type(error).__name__)
        return
    yield Step("build", "ok", type(backend).__name__)
    if isinstance(backend, SmtpBackend):
        yield from _dialogue(backend, sender)
    else:
        yield Step("connect", "skipped", f"nothing was contacted by the {backend.name} backend")


def _dialogue(backend: SmtpBackend, sender: Address | None) -> Iterator[Step]:
    server = backend.server
    steps = ["connect", "greeting", "tls", "login"]
    if server.implicit_tls:
        steps = ["connect", "tls", "greeting", "login"]
    skipped = _not_asked_for(server)
    try:
        session = backend.open()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is why this failed)
        failed = _failed_step(error)
        for name in steps[: steps.index(failed)]:
            yield skipped.get(name, Step(name, "ok", ""))
        yield Step(failed, "failed", str(error) or type(error).__name__)
        return
    try:
        details = _details(server, session)
        for name in steps:
            yield skipped.get(name, Step(name, "ok", details[name]))
        yield _ask_for(sender, session)
    finally:
        backend.close(session)
