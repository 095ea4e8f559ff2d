"""Rules for the settings of several mailers, checked without network access."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..backends.dkim import DkimBackend
from ..backends.smtp import SmtpBackend
from ..config.table import TABLE
from ..delivery.policy import DEFAULT
from ..errors import ConfigurationError
from .finding import Finding

if TYPE_CHECKING:
    from ..backends import Backend
    from ..extension.mailers import Selection
    from ..extension.state import _Mail
    from .values import Entries

_OF_SMTP = tuple(each.key for each in TABLE if each.group == "SMTP")


def judge_mailers(entries: Entries, state: _Mail, tried: Iterable[str]) -> Iterator[Finding]:
    """Yield the mailers that cannot be built, and the settings that no mailer reads.

    :param tried: the mailers that the command builds anyway.
    """
    selection = state.selection
    yield from _signed_before_queueing(selection, [DEFAULT, *entries.mailers])
    yield from _broken(selection, [each for each in entries.mailers if each not in tried])
    try:
        source = selection.definitions.key(DEFAULT)
    except ConfigurationError as error:
        yield Finding("error", "backend", ("MAIL_MAILERS",), str(error))
        return
    if entries.has("MAIL_URL") and source != "MAIL_URL":
        read = source or "MAIL_BACKEND"
        yield _unused("unused-url", ["MAIL_URL"], read)
    if source is None:
        return
    if entries.has("MAIL_BACKEND"):
        yield _unused("unused-backend", ["MAIL_BACKEND"], source)
    keys = [key for key in _OF_SMTP if entries.has(key)]
    if keys and not _reads_them(selection, entries.mailers):
        yield _unused("unused-smtp", keys, source)


def _broken(selection: Selection, names: Iterable[str]) -> Iterator[Finding]:
    for name in names:
        try:
            selection.build(selection.reference(name)[0])
        except Exception as error:  # noqa: BLE001 (the constructor of a plugin may raise anything)
            known = isinstance(error, ConfigurationError)
            reason = str(error) if known else f"Mailer {name!r}: {type(error).__name__}: {error}"
            yield Finding("error", "mailer", (f"MAIL_MAILERS[{name!r}]",), reason)


def _signed_before_queueing(selection: Selection, names: Iterable[str]) -> Iterator[Finding]:
    for name in dict.fromkeys(names):
        try:
            reference, setting = selection.reference(name)
            signs = issubclass(selection.backend_class(reference), DkimBackend)
            is_early = signs and any(each.is_queue for each in _below(selection, reference))
        except Exception:  # noqa: BLE001 (it cannot be built, which is another finding)
            is_early = False
        if is_early:
            yield Finding(
                "warning",
                "signed-before-queue",
                (setting,),
                f"Mailer {name!r} signs messages before a queue stores them: by the time that they"
                " are sent, the signature may have expired or its key be replaced. Let the queue"
                " deliver by the mailer that signs.",
            )


def _below(selection: Selection, reference: Any) -> Iterator[type[Backend[Any]]]:
    """Yield the classes that a backend is made of, directly or not."""
    for part in selection.parts(reference):
        yield selection.backend_class(part)
        yield from _below(selection, part)


def _unused(code: str, keys: list[str], source: str) -> Finding:
    them = "it" if len(keys) == 1 else "them"
    return Finding(
        "warning",
        code,
        tuple(keys),
        f"{', '.join(keys)}: nothing reads {them}, because {source} says which backend delivers and"
        f" how. Unset {them}, or {source}.",
    )


def _reads_them(selection: Selection, mailers: Iterable[str]) -> bool:
    """Return True if a mailer is made of the smtp backend of these settings."""
    for name in mailers:
        try:
            leaves = selection.leaf_references(name)
            flat = [each for each in leaves if selection.definitions.get(each) is None]
            if any(issubclass(selection.backend_class(each), SmtpBackend) for each in flat):
                return True
        except Exception:  # noqa: BLE001 (parts() of a plugin); what it reads is unknown
            return True
    return False
