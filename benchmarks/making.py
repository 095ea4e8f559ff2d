"""Costs of making messages, of sending large ones, of `mail.send` itself, and of the import."""

from __future__ import annotations

from typing import Any

from .cells import NOWHERE, PEERS, Cell, Entry, Group, Plan
from .environments import DJANGO, MAILMAN, OLD, OURS, STDLIB

EMAIL_MESSAGE = "stdlib: EmailMessage"
MIME_COMPAT32 = "stdlib: email.mime, compat32"
MIME_SMTP = "stdlib: email.mime, SMTP"
OF_THE_STANDARD_LIBRARY = (EMAIL_MESSAGE, MIME_COMPAT32, MIME_SMTP)

HTML = "text + HTML"
NON_ASCII = "non-ASCII everything"
_CONTENTS = {
    "text only": "text",
    HTML: "html",
    "100 KiB PDF": "pdf",
    "500 recipients": "recipients",
    NON_ASCII: "non-ascii",
}
IMPORT = "import"
MAKING = "`Message` and `as_bytes`"
NULL = "`mail.send`, null"
APP_PER_TEST = "an app per test"
LARGE = 25  # MiB
LARGE_COLUMN = f"{LARGE} MiB, smtp-sink"


def _build(plan: Plan) -> list[Cell]:
    cells = []
    for column, content in _CONTENTS.items():
        request = {"task": "build", "content": content, "seconds": plan.making}
        entries = [Entry(name, name, request) for name in (OURS, *PEERS)]
        for label, settings in (
            (EMAIL_MESSAGE, {"api": "message", "policy": "SMTP"}),
            (MIME_COMPAT32, {"api": "mime", "policy": "compat32"}),
            (MIME_SMTP, {"api": "mime", "policy": "SMTP"}),
        ):
            entries.append(Entry(label, STDLIB, request, settings))
        cells.append(Cell(column, NOWHERE, 0, entries, plan.fewer_repeats))
    return cells


def _attachment(plan: Plan) -> list[Cell]:
    def cell(column: str, server: str, repeats: int, **how: Any) -> Cell:
        request = {"task": "attachment", "count": 1, **how}
        entries = [Entry(name, name, request) for name in (OURS, *PEERS)]
        return Cell(column, server, 0, entries, repeats)

    given = {"mebibytes": LARGE, "by_path": False}
    by_path = {"mebibytes": plan.by_path, "by_path": True}
    return [
        cell(LARGE_COLUMN, "sink", plan.fewer_repeats, **given),
        cell(f"{LARGE} MiB, Postfix", "postfix", 1, **given),
        cell(f"{plan.by_path} MiB by path, smtp-sink", "sink", 1, **by_path),
    ]


def _overhead(plan: Plan) -> list[Cell]:
    cells = []
    for column in ("text only", HTML):
        request = {"content": _CONTENTS[column], "seconds": plan.making}
        send = {"task": "overhead", "over": "mail", "listening": False, **request}
        null, locmem = {"MAIL_BACKEND": "null"}, {"MAIL_BACKEND": "locmem"}
        entries = [
            Entry(MAKING, OURS, {"task": "build", **request}),
            Entry("the same and `has_bad_headers`", OURS, send | {"over": "nothing"}, null),
            Entry("`conn.send`, null", OURS, send | {"over": "connection"}, null),
            Entry(NULL, OURS, send, null),
            Entry("`mail.send`, null, receivers", OURS, send | {"listening": True}, null),
            Entry("`mail.send`, locmem", OURS, send, locmem),
        ]
        cells.append(Cell(column, NOWHERE, 0, entries, plan.fewer_repeats))
    return cells


_PUBLIC = {
    OURS: ("flask_mail", ["Mail", "Message"]),
    OLD: ("flask_mail", ["Mail", "Message"]),
    MAILMAN: ("flask_mailman", ["Mail", "EmailMessage"]),
    DJANGO: ("django.core.mail", ["send_mail", "EmailMessage"]),
}


def _imports(plan: Plan) -> list[Cell]:
    def cell(column: str, server: str, task: str) -> Cell:
        entries = []
        for library, (module, names) in _PUBLIC.items():
            above = "" if library == DJANGO else "flask"
            request = {"task": task, "module": module, "names": names, "above": above}
            entries.append(Entry(library, library, request | {"count": plan.imports}))
        return Cell(column, server, 0, entries, plan.fewer_repeats)

    return [
        cell(IMPORT, NOWHERE, "imports"),
        cell("and first send, smtp-sink", "sink", "first send"),
        cell("and first send, STARTTLS and login", "login", "first send"),
    ]


def _apps(plan: Plan) -> list[Cell]:
    request = {"task": "apps", "count": plan.apps}
    entries = [Entry(name, name, request) for name in (OURS, OLD)]
    return [Cell(APP_PER_TEST, NOWHERE, 0, entries, plan.repeats)]


GROUPS = [
    Group(
        "build",
        "Making a message",
        "time",
        "The message and its octets, without any network. *100 KiB PDF*: attached to text and HTML."
        " *500 recipients*: all in To. *Non-ASCII everything*: names, domains, subject, text, HTML,"
        " and the name and the text of an attachment. The last three rows are the standard library,"
        " each of its interfaces used as one does who knows it.",
        _build,
    ),
    Group(
        "attachment",
        "Large attachments",
        "time",
        "`mail.send` on loopback, and by how much the peak of the resident memory is above what it"
        " was before, with the data in memory already. Postfix announces CHUNKING, smtp-sink does"
        " not. *By path*: `message.attach(path=...)`; peers read the file, and what they read"
        " counts.",
        _attachment,
    ),
    Group(
        "overhead",
        "What `mail.send` costs itself",
        "time",
        "Making a message and sending it through backends without a network. *Above*: how much more"
        " that is than the making. `has_bad_headers` checks all fields, which sending does, too."
        " `conn.send` also makes the envelope, looks for receivers of the signals and writes a"
        " receipt; `mail.send` also looks at the settings; locmem copies the message. *Receivers*:"
        " one that does nothing for each of the two signals; in the other rows there is none.",
        _overhead,
    ),
    Group(
        "imports",
        "Import time",
        "time",
        "In a new process each: of the class of messages and of the extension (Django: `send_mail`)"
        " when `flask` is imported already; of `django.core.mail` alone. *And first send*: with"
        " making an app, until the first message is sent.",
        _imports,
    ),
    Group(
        "apps",
        "An app per test",
        "time",
        "`Mail(app)`, `record_messages` and `mail.send` with `TESTING`, in a warm process.",
        _apps,
    ),
]
