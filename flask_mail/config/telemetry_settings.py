"""Settings for traces and metrics; rows of the table."""

from __future__ import annotations

from .converters import to_bool
from .setting import Setting

TELEMETRY = "MAIL_TELEMETRY"
MESSAGE_ID = "MAIL_TELEMETRY_MESSAGE_ID"

ROWS: tuple[Setting, ...] = (
    Setting(
        TELEMETRY, "bool", to_bool, "False",
        "Trace and measure messages with OpenTelemetry; needs the extra `otel`. Read by"
        " `Mail(app)`.",
        "General",
    ),
    Setting(
        MESSAGE_ID, "bool", to_bool, "False",
        "Add the Message-ID to the spans of OpenTelemetry.",
        "General",
    ),
)  # fmt: skip
