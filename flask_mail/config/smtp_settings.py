"""Settings of the smtp backend."""

from __future__ import annotations

from .converters import (
    to_bool,
    to_count,
    to_host,
    to_limit,
    to_path,
    to_port,
    to_positive,
    to_seconds,
    to_secret,
    to_str,
)
from .setting import Setting

ROWS: tuple[Setting, ...] = (
    Setting(
        "MAIL_SERVER", "host name or address", to_host, "localhost",
        "The SMTP server.",
        "SMTP",
    ),
    Setting(
        "MAIL_PORT", "port", to_port, "25; 465 with `MAIL_USE_SSL`",
        "The port of the server; usually 587 with `MAIL_USE_TLS`.",
        "SMTP",
    ),
    Setting(
        "MAIL_USE_TLS", "bool", to_bool, "False",
        "Require STARTTLS. Cannot be combined with `MAIL_USE_SSL`.",
        "SMTP",
    ),
    Setting(
        "MAIL_USE_SSL", "bool", to_bool, "False",
        "Use TLS from the first byte (port 465).",
        "SMTP",
    ),
    Setting(
        "MAIL_USERNAME", "str", to_str, "None",
        "User name for the login; requires `MAIL_PASSWORD` or `MAIL_OAUTH2_TOKEN`.",
        "SMTP",
    ),
    Setting(
        "MAIL_PASSWORD", "str or callable", to_secret, "None",
        "The password, or a callable that returns it, called at each login.",
        "SMTP",
        secret=True,
    ),
    Setting(
        "MAIL_OAUTH2_TOKEN", "str or callable", to_secret, "None",
        "An OAuth 2.0 access token instead of a password, or a callable that returns a fresh one,"
        " called at each login, and once more if the server rejects the token.",
        "SMTP",
        secret=True,
    ),
    Setting(
        "MAIL_TIMEOUT", "seconds", to_seconds, "20",
        "Maximum wait for a connection, and for each reply. The reply to the content may take"
        " thirty times as long, up to ten minutes.",
        "SMTP",
    ),
    Setting(
        "MAIL_DEADLINE", "seconds", to_seconds, "20, or `MAIL_TIMEOUT` if that is longer",
        "Maximum time for one message, including connection, TLS and login. By default, each 128"
        " KiB adds a second, and the messages of a batch have no limit.",
        "SMTP",
    ),
    Setting(
        "MAIL_POOL_SIZE", "whole number", to_count, "2",
        "Maximum number of idle connections that each process keeps open (0 disables pooling).",
        "SMTP",
    ),
    Setting(
        "MAIL_BATCH_CONNECTIONS", "whole number", to_positive, "1",
        "Maximum number of connections that `send_many` uses at the same time.",
        "SMTP",
    ),
    Setting(
        "MAIL_MAX_CONNECTIONS", "whole number", to_limit, "no limit",
        "Maximum number of connections of this process at the same time. Threads wait for one to"
        " become free, until their deadline.",
        "SMTP",
    ),
    Setting(
        "MAIL_KEEPALIVE", "seconds", to_seconds, "5",
        "Close idle connections after this time.", "SMTP",
    ),
    Setting(
        "MAIL_MAX_AGE", "seconds", to_seconds, "300",
        "Renew busy connections after this time, which also resolves the server's name again.",
        "SMTP",
    ),
    Setting(
        "MAIL_PIPELINING", "bool", to_bool, "True",
        "Pipeline commands if the server offers PIPELINING (RFC 2920).",
        "SMTP",
    ),
    Setting(
        "MAIL_CHUNKING", "bool", to_bool, "True",
        "Send content with BDAT if the server offers CHUNKING (RFC 3030).",
        "SMTP",
    ),
    Setting(
        "MAIL_LOCAL_HOSTNAME", "host name", to_str, "this host's name, or its address",
        "The host name to send in EHLO.",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_VERIFY", "bool", to_bool, "True",
        "Verify the server's certificate and host name. `False` lets attackers on the network read"
        " and change mail, and logs a warning.",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_CA_FILE", "path", to_path, "the system's authorities",
        "Certificates of trusted authorities (PEM), such as your own.",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_CERT_FILE", "path", to_path, "None",
        "Client certificate (PEM).",
        "SMTP",
    ),
    Setting(
        "MAIL_TLS_KEY_FILE", "path", to_path, "in `MAIL_TLS_CERT_FILE`",
        "Private key of the client certificate (PEM).",
        "SMTP",
    ),
)  # fmt: skip
