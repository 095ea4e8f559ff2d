"""The report of ``flask mail check``, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from ..address.parser import is_pair
from ..delivery.policy import DEFAULT
from ..message.fields import sender_text
from .effective import effective
from .output import name_of, say, say_table

if TYPE_CHECKING:
    from .context import Choice
    from .dns import Record
    from .finding import Finding
    from .trial import Step
    from .values import Entries, Entry

_ADDRESSES = frozenset(
    ("MAIL_DEFAULT_SENDER", "MAIL_DEFAULT_REPLY_TO", "MAIL_REDIRECT_TO", "MAIL_ALLOWED_RECIPIENTS")
)
_HEADING = ("SETTING", "VALUE", "SOURCE")


@dataclass(frozen=True)
class Trial:
    """The steps of trying a mailer."""

    choice: Choice
    steps: list[Step]

    @property
    def failed(self) -> list[Step]:
        """The steps that failed."""
        return [each for each in self.steps if each.status == "failed"]

    def label(self, step: Step) -> str:
        """Return the mailer of a step, before its name; empty for the default one."""
        mailer = step.mailer or self.choice.mailer
        return "" if mailer == DEFAULT else f"{mailer}: "

    def mailer_of(self, step: Step) -> str:
        """Return the mailer or backend of a step, whatever it is tried for."""
        return step.mailer or name_of(self.choice.reference)


@dataclass
class Report:
    """The settings, the problems with them, and the trials of the mailers."""

    entries: Entries
    findings: list[Finding]
    records: list[Record]
    notes: list[str]
    """Where mail goes instead, as on staging servers."""
    is_strict: bool = False
    trials: list[Trial] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True if there is no error, and with ``--strict`` no warning either."""
        return not (self._errors or (self.is_strict and self._warnings))

    @property
    def _errors(self) -> int:
        return len(self._failures()) + sum(each.level == "error" for each in self.findings)

    def _failures(self) -> list[str]:
        """Return the failed steps, each once, that no finding explains in the same words."""
        advice = {each.advice for each in self.findings}
        found: dict[tuple[str, str, str], str] = {}
        for trial in self.trials:
            for step in trial.failed:
                if step.detail not in advice:
                    text = f"{trial.label(step)}{step.name}: {step.detail}"
                    found.setdefault((trial.mailer_of(step), step.name, step.detail), text)
        return list(found.values())

    @property
    def _warnings(self) -> int:
        return sum(each.level == "warning" for each in self.findings)

    def as_json(self) -> dict[str, object]:
        """Return the report as a JSON object."""
        return {
            "ok": self.ok,
            **_trial_as_json(self.trials[0]),
            "notes": self.notes,
            "settings": [_entry_as_json(entry, self.entries) for entry in self.entries],
            "findings": [asdict(each) for each in self.findings],
            "dns": [asdict(each) for each in self.records],
            "mailers": {each.choice.mailer: _trial_as_json(each) for each in self.trials},
        }

    def say(self, *, defaults: bool, records: bool) -> None:
        """Print the verdict and the problems, then what was found out.

        :param defaults: also print the settings that are not set.
        :param records: also print the DNS records.
        """
        say(f"{self._verdict()} (no message was sent).", status="ok" if self.ok else "failed")
        for note in self.notes:
            say(note)
        self._say_problems()
        for trial in self.trials:
            _say_trial(trial)
        if records:
            _say_records(self.records)
        self._say_settings(defaults=defaults)

    def _verdict(self) -> str:
        warnings = _count(self._warnings, "warning")
        if self._errors:
            and_warnings = f" and {warnings}" if self._warnings else ""
            return f"Found {_count(self._errors, 'problem')}{and_warnings}"
        if not self._warnings:
            return "Ready to send"
        return (
            f"Found {warnings}, an error with --strict"
            if not self.ok
            else (f"Ready to send, with {warnings}")
        )

    def _say_problems(self) -> None:
        if self._errors or self._warnings:
            say()
        found = [(each.level, f"{each.code}: {each.advice}") for each in self.findings]
        failed = [("failed", text) for text in self._failures()]
        errors = [each for each in found if each[0] == "error"]
        for status, text in (*errors, *failed, *(each for each in found if each not in errors)):
            say(f"{status:<8}{text}", status=status)

    def _say_settings(self, *, defaults: bool) -> None:
        rows = [row for entry in self.entries for row in _rows(entry, self.entries, defaults)]
        say()
        if rows:
            say_table([_HEADING, *rows])
        hidden = sum(entry.is_default for entry in self.entries)
        if not defaults:
            say(f"{hidden} settings are not set: --defaults prints their values.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _rows(entry: Entry, entries: Entries, defaults: bool) -> Iterator[tuple[str, str, str]]:
    shown = entries.shown(entry)
    if entry.value is None:
        if defaults or not entry.is_default:
            yield entry.key, effective(entries, entry), entry.source
    elif entry.key == "MAIL_MAILERS" and isinstance(shown, dict):
        yield entry.key, ", ".join(shown), entry.source
        for name, value in shown.items():
            key = f"{entry.key}[{name!r}]"
            if not isinstance(value, dict):
                yield key, str(value), entry.source
            else:
                for option, each in value.items():
                    yield f"{key}[{option!r}]", str(each), entry.source
    elif entry.key in _ADDRESSES and isinstance(shown, list):
        addresses = [shown] if is_pair(shown) else shown
        yield entry.key, ", ".join(str(sender_text(each)) for each in addresses), entry.source
    else:
        yield entry.key, str(shown), entry.source


def _say_trial(trial: Trial) -> None:
    choice = trial.choice
    label = "Backend" if choice.mailer == DEFAULT else f"Mailer {choice.mailer!r}"
    say()
    say(f"{choice}." if choice.error else f"{label}: {choice}.")
    if choice.is_replaced:
        say(f"Trying {name_of(choice.wanted)} nevertheless.")
    for step in trial.steps:
        detail = "see above" if step.status == "failed" else step.detail
        name = step.name if step.mailer is None else f"{step.mailer}: {step.name}"
        say(f"{step.status:<8}{name:<8} {detail}", status=step.status)


def _say_records(records: list[Record]) -> None:
    if records:
        say()
    for record in records:
        for value in record.values or ["not found"]:
            note = f" ({record.note})" if record.note else ""
            say(f"{record.purpose:<8}{record.name}: {value or 'null MX'}{note}")


def _entry_as_json(entry: Entry, entries: Entries) -> dict[str, object]:
    return {
        "key": entry.key,
        "value": entries.shown(entry),
        "source": entry.source,
        "default": entries.default(entry),
    }


def _trial_as_json(trial: Trial) -> dict[str, object]:
    choice = trial.choice
    return {
        "backend": {
            "wanted": name_of(choice.wanted),
            "wanted_by": choice.wanted_by,
            "selected": None if choice.error else name_of(choice.selected),
            "reason": choice.reason or None,
        },
        "steps": [asdict(each) for each in trial.steps],
    }
