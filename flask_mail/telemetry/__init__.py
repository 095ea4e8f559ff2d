"""Traces and metrics of messages by OpenTelemetry, with the extra ``otel``.

``MAIL_TELEMETRY = True`` switches them on, or :func:`instrument`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from flask import Flask
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["instrument", "uninstrument"]

# Where queues and their workers find it, without importing this module.
_EXTENSION: Final = "mail_telemetry"
_HINT: Final = 'pip install "path/to/flask-mail[otel]"'


def instrument(
    app: Flask,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> None:
    """Trace and measure the messages of `app` from now on, with these providers only.

    :param tracer_provider: the global one by default.
    :param meter_provider: the global one by default.
    :raises ConfigurationError: opentelemetry-api is not installed.
    """
    check_installed()
    from .recording import Telemetry

    uninstrument(app)
    app = _object(app)
    app.extensions[_EXTENSION] = Telemetry(app, tracer_provider, meter_provider)


def uninstrument(app: Flask) -> None:
    """Neither trace nor measure the messages of `app` any more."""
    telemetry = app.extensions.pop(_EXTENSION, None)
    if telemetry is not None:
        telemetry.stop()


def instrument_once(app: Flask) -> None:
    """Instrument `app` with the global providers, unless a program has instrumented it."""
    if _EXTENSION not in app.extensions:
        instrument(app)


def check_installed() -> None:
    """Check that the library is installed.

    :raises ConfigurationError: it is not.
    """
    try:
        import opentelemetry.trace  # noqa: F401
    except ImportError:
        raise ConfigurationError(
            f"MAIL_TELEMETRY and flask_mail.telemetry require opentelemetry-api: {_HINT}"
        ) from None


def _object(app: Any) -> Any:
    # A proxy such as current_app is valid only in its context.
    return getattr(app, "_get_current_object", lambda: app)()
