"""Flask-Mail hands messages to the local sendmail program."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from flask_mail.backends import (
    Backend,
    BackendUnavailable,
    ConfigurationError,
    DeliveryUnknown,
    Feature,
    MessageRefused,
    Outgoing,
    Receipt,
)

from .running import BrokenOff, End, NotRun, StillRunning, run

__all__ = ["SendmailBackend"]

_LONGEST = 86400  # nothing waits for ever
# sysexits.h: the message was judged. With most others nothing was queued, and that may change.
_REFUSALS = {65: "EX_DATAERR", 67: "EX_NOUSER", 68: "EX_NOHOST", 77: "EX_NOPERM"}
# Sendmail and OpenSMTPD keep the message then, and send it later; Postfix and msmtp do not.
_TEMPFAIL = 75
# Of several recipients, Sendmail tells the status of the last that failed: others have the message.
_OF_ONE_RECIPIENT = range(64, 79)
# What a shell makes of a program that was killed by a signal: the program may be a script.
_OF_A_SHELL = range(129, 193)
# ESMTP option -> option of the program: RFC 6152, and RFC 3461 for delivery status notifications.
_MAIL_OPTIONS = {"BODY": "-B", "RET": "-R", "ENVID": "-V"}
_RCPT_OPTIONS = {"NOTIFY": "-N"}
# Exim has others of these names: with -N it throws the message away and says that all is well.
_DSN = frozenset({"RET", "ENVID", "NOTIFY"})


class SendmailBackend(Backend[None]):
    """Hands each message to a program as sendmail is one: Postfix, Exim, OpenSMTPD, msmtp.

    :param path: the program.
    :param timeout: seconds for one message, a day at most; then the program is killed.
    :param dsn: whether the program takes ``-R``, ``-V`` and ``-N`` as Sendmail does.
    :param all_or_nothing: whether any status but 0 proves that nothing was taken for anybody, as
        with Postfix, Exim and msmtp.
    :raises ConfigurationError: where it is no program that can be run, or the time is no time.
    """

    name = "sendmail"
    api_version = 1
    features = Backend.features | {Feature.DELIVERY_OPTIONS, Feature.VERBATIM}

    def __init__(
        self,
        *,
        path: Path = Path("/usr/sbin/sendmail"),
        timeout: float = 30.0,
        dsn: bool = False,
        all_or_nothing: bool = False,
    ) -> None:
        if not path.is_absolute() or "\0" in str(path):
            raise ConfigurationError(
                "MAIL_SENDMAIL_PATH must be the absolute path of a program, such as"
                " /usr/sbin/sendmail."
            )
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise ConfigurationError(
                "MAIL_SENDMAIL_PATH names no program that can be run here: install a mail server"
                " that has one, or set the path of yours."
            )
        if not 0 < timeout <= _LONGEST:
            raise ConfigurationError(
                f"MAIL_SENDMAIL_TIMEOUT must be above 0, and at most {_LONGEST} seconds."
            )
        self._path = path
        self._timeout = timeout
        self._dsn = dsn
        self._all_or_nothing = all_or_nothing

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        command = [
            str(self._path),
            "-i",  # a dot alone is no end
            *self._options(mail),
            "-f",
            mail.envelope.sender or "<>",
            "--",
            *mail.envelope.recipients,
        ]
        # Not as the locale has it, which may know no more than ASCII.
        arguments = [each.encode("utf-8", "surrogateescape") for each in command]
        try:
            end = run(arguments, mail.blocks(), self._timeout)
        except NotRun as error:
            cause = error.__cause__
            assert isinstance(cause, OSError)  # noqa: S101 (it has no other)
            if cause.errno == errno.E2BIG:
                raise self.unsupported(
                    f"{len(mail.envelope.recipients)} recipients in one message"
                ) from cause
            raise BackendUnavailable(
                f"{self._path} (MAIL_SENDMAIL_PATH) cannot be run: {cause.strerror or cause}.",
                stage="connect",
            ) from cause
        except BrokenOff as error:
            kind = type(error.__cause__).__name__
            if error.had_everything:
                raise DeliveryUnknown(
                    f"{self._path} was interrupted ({kind}) when it may have had all of the"
                    " message.",
                    stage="accept",
                ) from error.__cause__
            raise BackendUnavailable(
                f"{self._path} was interrupted ({kind}), and killed before it had all of the"
                " message.",
                stage="data",
            ) from error.__cause__
        except StillRunning as error:
            raise DeliveryUnknown(
                f"{self._path} did not end within {self._timeout:g} seconds"
                " (MAIL_SENDMAIL_TIMEOUT) or the message could not be completed, and the program"
                " cannot be killed: it may take what it has of the message.",
                stage="data",
            ) from error
        return self._receipt(mail, end)

    def _options(self, mail: Outgoing) -> list[str]:
        found = []
        for options, known in (
            (mail.envelope.mail_options, _MAIL_OPTIONS),
            (mail.envelope.rcpt_options, _RCPT_OPTIONS),
        ):
            for option in options:
                keyword, equals, value = option.partition("=")
                if not equals or keyword.upper() not in known:
                    raise self.unsupported(f"the option {keyword}")
                if keyword.upper() in _DSN and not self._dsn:
                    raise self.unsupported(
                        f"the option {keyword} (unless MAIL_SENDMAIL_DSN says that the program is"
                        " one that can)"
                    )
                found += [known[keyword.upper()], value]
        return found

    def _receipt(self, mail: Outgoing, end: End) -> Receipt:
        said = f": {end.said}" if end.said else ""
        if end.is_lost:
            raise DeliveryUnknown(
                f"{self._path} ended, and its exit status was taken by another part of this process"
                f", such as a handler of SIGCHLD that waits for all children{said}.",
                stage="accept",
                response=end.said,
            )
        if end.status == 0 and end.had_everything:
            return self.accepted(mail, response=end.said)
        if end.status == 0:
            # It says that it took the message, which it cannot have seen the end of.
            raise DeliveryUnknown(
                f"{self._path} ended before it had read all of the message, and with exit status"
                f" 0{said}. Is it a sendmail program?",
                stage="data",
                response=end.said,
            )
        if end.status is None or end.status < 0 or end.status in _OF_A_SHELL:
            why = (
                f"did not end within {self._timeout:g} seconds (MAIL_SENDMAIL_TIMEOUT)"
                if end.status is None
                else f"was killed by signal {abs(end.status) % 128}"
            )
            if end.had_everything:
                raise DeliveryUnknown(
                    f"{self._path} {why}, after it had all of the message{said}.",
                    stage="accept",
                    response=end.said,
                )
            raise BackendUnavailable(f"{self._path} {why}{said}.", stage="data", response=end.said)
        self._check_proof(mail, end.status, end, said)
        if end.status in _REFUSALS:
            raise MessageRefused(
                f"{self._path} refused the message ({_REFUSALS[end.status]}){said}.",
                response=end.said,
            )
        raise BackendUnavailable(
            f"{self._path} took nothing, with exit status {end.status}"
            f" ({_name_of(end.status)}){said}.",
            response=end.said,
        )

    def _check_proof(self, mail: Outgoing, status: int, end: End, said: str) -> None:
        """Raise unless the status proves that nobody gets the message.

        What the program did not read to its end, it cannot have taken.
        """
        if self._all_or_nothing or not end.had_everything:
            return
        if len(mail.envelope.recipients) > 1 and status in _OF_ONE_RECIPIENT:
            why = "which may be that of one recipient: others may get the message"
        elif status == _TEMPFAIL:
            why = "with which some programs keep the message and send it later"
        else:
            return
        raise DeliveryUnknown(
            f"{self._path} ended with exit status {status} ({_name_of(status)}), {why}. Set"
            f" MAIL_SENDMAIL_ALL_OR_NOTHING if this program does not do that{said}.",
            stage="accept",
            response=end.said,
        )


def _name_of(status: int) -> str:
    names = {getattr(os, each): each for each in dir(os) if each.startswith("EX_")}
    return names.get(status, "not of sysexits.h")
