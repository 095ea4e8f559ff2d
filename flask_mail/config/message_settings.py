"""Settings for the messages themselves; rows of the table."""

from __future__ import annotations

from .converters import to_anything, to_bool, to_reply_to
from .headers import to_headers
from .setting import Setting

REPLY_TO = "MAIL_DEFAULT_REPLY_TO"
HEADERS = "MAIL_DEFAULT_HEADERS"

ROWS: tuple[Setting, ...] = (
    Setting(
        "MAIL_DEFAULT_SENDER", "address or (name, address)", to_anything, "None",
        "Default From address.",
        "General",
    ),
    Setting(
        REPLY_TO, "address, (name, address), or a list of them", to_reply_to, "None",
        "Default Reply-To of messages that have none when they are sent.",
        "General",
    ),
    Setting(
        HEADERS, "dict of names and values", to_headers, "None",
        "Headers for each message that does not have them when it is sent.",
        "General",
    ),
    Setting(
        "MAIL_ASCII_ATTACHMENTS", "bool", to_bool, "False",
        "Write attachment names in ASCII, dropping characters without an equivalent.",
        "General",
    ),
    Setting(
        "MAIL_INLINE_CSS", "bool", to_bool, "True with the extra `css`",
        "Inline the `<style>` sheets of HTML templates.",
        "General",
    ),
)  # fmt: skip
