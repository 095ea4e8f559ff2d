"""Settings for the messages themselves; rows of the table."""

from __future__ import annotations

from .converters import to_anything, to_bool, to_reply_to, to_str, to_url_prefix
from .headers import to_headers
from .setting import Setting

REPLY_TO = "MAIL_DEFAULT_REPLY_TO"
HEADERS = "MAIL_DEFAULT_HEADERS"
UNSUBSCRIBE = "MAIL_UNSUBSCRIBE"
UNSUBSCRIBE_MAILTO = "MAIL_UNSUBSCRIBE_MAILTO"
EVENTS = "MAIL_EVENTS"

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
        UNSUBSCRIBE, "URL prefix", to_url_prefix, "None",
        "Add a page for one-click unsubscribe below this prefix, such as `/unsubscribe`, for"
        " messages with `unsubscribe`. Read by `Mail(app)`; needs `SECRET_KEY` and `SERVER_NAME`.",
        "General",
    ),
    Setting(
        UNSUBSCRIBE_MAILTO, "address", to_str, "None",
        "An address to write to as well in order to unsubscribe from these messages.",
        "General",
    ),
    Setting(
        EVENTS, "URL prefix", to_url_prefix, "None",
        "Receive what mail services report, such as bounces, below this prefix: `/mail-events`"
        " makes `/mail-events/<mailer>`, for each mailer with a secret. Read by `Mail(app)`.",
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
