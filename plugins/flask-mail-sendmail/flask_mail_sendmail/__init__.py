"""A Flask-Mail backend that passes messages to the local sendmail program."""

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

from .process import Exit, Interrupted, NotStarted, StillRunning, run

__all__ = ["SendmailBackend"]

_MAX_TIMEOUT = 86400  # seconds
# sysexits.h: the message was rejected. With most other statuses nothing was queued, and a later
# attempt may succeed.
_REFUSALS = {65: "EX_DATAERR", 67: "EX_NOUSER", 68: "EX_NOHOST", 77: "EX_NOPERM"}
# Sendmail and OpenSMTPD keep the message and send it later; Postfix and msmtp do not.
_TEMPFAIL = 75
# With several recipients, Sendmail returns the status of the last that failed; the others get the
# message.
_RECIPIENT_STATUSES = range(64, 79)
# A shell returns 128 plus the signal that killed its command: the program may be a script.
_SHELL_SIGNAL_STATUSES = range(129, 193)
# ESMTP option -> option of the program (RFC 6152; RFC 3461 for delivery status notifications).
_MAIL_OPTIONS = {"BODY": "-B", "RET": "-R", "ENVID": "-V"}
_RCPT_OPTIONS = {"NOTIFY": "-N"}
# Exim gives these other meanings: with -N it discards the message and exits with 0.
_DSN = frozenset({"RET", "ENVID", "NOTIFY"})


class SendmailBackend(Backend[None]):
    """Pass each message to the sendmail program of Postfix, Exim, OpenSMTPD, msmtp and others.

    :param path: the absolute path of the program.
    :param timeout: seconds per message, at most a day; then the program is killed.
    :param dsn: True if the program supports ``-R``, ``-V`` and ``-N`` as Sendmail does.
    :param all_or_nothing: True if any status other than 0 proves that no recipient was accepted,
        as with Postfix, Exim and msmtp.
    :raises ConfigurationError: if the program cannot be run, or the timeout is out of range.
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
                f"{self.setting('path')} must be the absolute path of a program, such as"
                " /usr/sbin/sendmail."
            )
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise ConfigurationError(
                f"{self.setting('path')} is not an executable program. Install a mail server that"
                " provides sendmail, or set the path of yours."
            )
        if not 0 < timeout <= _MAX_TIMEOUT:
            raise ConfigurationError(
                f"{self.setting('timeout')} must be above 0 and at most {_MAX_TIMEOUT} seconds."
            )
        self._path = path
        self._timeout = timeout
        self._dsn = dsn
        self._all_or_nothing = all_or_nothing

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        command = [
            str(self._path),
            "-i",  # a line with a single dot does not end the message
            *self._options(mail),
            "-f",
            mail.envelope.sender or "<>",
            "--",
            *mail.envelope.recipients,
        ]
        # The encoding of the locale may be ASCII.
        arguments = [each.encode("utf-8", "surrogateescape") for each in command]
        try:
            exited = run(arguments, mail.blocks(), self._timeout)
        except NotStarted as error:
            cause = error.__cause__
            assert isinstance(cause, OSError)  # noqa: S101 (its only cause)
            if cause.errno == errno.E2BIG:
                raise self.unsupported(
                    f"{len(mail.envelope.recipients)} recipients in one message"
                ) from cause
            raise BackendUnavailable(
                f"{self._path} ({self.setting('path')}) cannot be run: {cause.strerror or cause}.",
                stage="connect",
            ) from cause
        except Interrupted as error:
            kind = type(error.__cause__).__name__
            if error.input_complete:
                raise DeliveryUnknown(
                    f"{self._path} was interrupted ({kind}) after it may have received all of the"
                    " message.",
                    stage="accept",
                ) from error.__cause__
            raise BackendUnavailable(
                f"{self._path} was interrupted ({kind}) and killed before it had received all of"
                " the message.",
                stage="data",
            ) from error.__cause__
        except StillRunning as error:
            raise DeliveryUnknown(
                f"{self._path} did not exit within {self._timeout:g} seconds"
                f" ({self.setting('timeout')}), or the message could not be completed, and the"
                " program cannot be killed: it may accept the part that it has received.",
                stage="data",
            ) from error
        return self._receipt(mail, exited)

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
                        f"the option {keyword} (set {self.setting('dsn')} if the program supports"
                        " it)"
                    )
                found += [known[keyword.upper()], value]
        return found

    def _receipt(self, mail: Outgoing, exited: Exit) -> Receipt:
        said = f": {exited.stderr}" if exited.stderr else ""
        if exited.status_lost:
            raise DeliveryUnknown(
                f"{self._path} exited, and another part of this process collected its exit status,"
                f" such as a SIGCHLD handler that waits for all children{said}.",
                stage="accept",
                response=exited.stderr,
            )
        if exited.status == 0 and exited.input_complete:
            return self.accepted(mail, response=exited.stderr)
        if exited.status == 0:
            # It claims to have accepted a message whose end it cannot have seen.
            raise DeliveryUnknown(
                f"{self._path} exited with status 0 before it had read all of the message{said}."
                " Is it a sendmail program?",
                stage="data",
                response=exited.stderr,
            )
        if exited.status is None or exited.status < 0 or exited.status in _SHELL_SIGNAL_STATUSES:
            why = (
                f"did not exit within {self._timeout:g} seconds ({self.setting('timeout')})"
                if exited.status is None
                else f"was killed by signal {abs(exited.status) % 128}"
            )
            if exited.input_complete:
                raise DeliveryUnknown(
                    f"{self._path} {why} after it had received all of the message{said}.",
                    stage="accept",
                    response=exited.stderr,
                )
            raise BackendUnavailable(
                f"{self._path} {why}{said}.", stage="data", response=exited.stderr
            )
        self._check_proof(mail, exited.status, exited, said)
        if exited.status in _REFUSALS:
            raise MessageRefused(
                f"{self._path} refused the message ({_REFUSALS[exited.status]}){said}.",
                response=exited.stderr,
            )
        raise BackendUnavailable(
            f"{self._path} accepted nothing: exit status {exited.status}"
            f" ({_name_of(exited.status)}){said}.",
            response=exited.stderr,
        )

    def _check_proof(self, mail: Outgoing, status: int, exited: Exit, said: str) -> None:
        """Raise DeliveryUnknown unless the status proves that no recipient gets the message.

        A program that did not read the message to its end cannot have accepted it.
        """
        if self._all_or_nothing or not exited.input_complete:
            return
        if len(mail.envelope.recipients) > 1 and status in _RECIPIENT_STATUSES:
            why = "which may be that of one recipient while others get the message"
        elif status == _TEMPFAIL:
            why = "with which some programs keep the message to send it later"
        else:
            return
        raise DeliveryUnknown(
            f"{self._path} exited with status {status} ({_name_of(status)}), {why}. Set"
            f" {self.setting('all_or_nothing')} if this program does not do that{said}.",
            stage="accept",
            response=exited.stderr,
        )


def _name_of(status: int) -> str:
    names = {getattr(os, each): each for each in dir(os) if each.startswith("EX_")}
    return names.get(status, "not in sysexits.h")
