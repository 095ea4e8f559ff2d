"""Trial of a service by HTTP, step by step, without a request."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from ..smtp.deadline import Deadline
from .http_outcomes import describe_failure
from .http_wire import CannotConnect, Place, connect
from .smtp_probe import describe_tls
from .values import ProbeStep


def probe(place: Place) -> Iterator[ProbeStep]:
    """Connect and negotiate TLS; stop after the first failure. The login needs a message."""
    reached = ProbeStep("connect", "ok", f"{place.host}:{place.port}")
    try:
        wire = connect(place, Deadline(place.timeout))
    except CannotConnect as failed:
        if failed.stage == "tls":
            yield reached
        why = describe_failure(failed.error)
        yield ProbeStep(failed.stage, "failed", f"{reached.detail}: {why}")
        return
    try:
        yield reached
        if isinstance(wire.sock, ssl.SSLSocket):
            yield ProbeStep("tls", "ok", describe_tls(wire.sock))
        else:
            yield ProbeStep("tls", "skipped", "the URL begins with http://")
    finally:
        wire.drop()
