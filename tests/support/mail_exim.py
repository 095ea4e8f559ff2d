"""Exim for tests: configured, started and stopped here, and read as it tells it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from mail_programs import Program, find, folder, needs, own_address, until

EXIM = find("exim4")
NEEDED = needs(EXIM, "Exim")

CONFIGURATION = """\
exim_path = {program}
primary_hostname = mx.test
spool_directory = {root}/spool
log_file_path = {root}/%slog
pid_file_path = {root}/pid
local_interfaces = {host}
daemon_smtp_ports = {port}
keep_environment =
tls_advertise_hosts =
message_size_limit = 50M
smtputf8_advertise_hosts = *
log_selector = +pipelining +smtp_connection
queue_only
{options}
acl_smtp_mail = sender
acl_smtp_rcpt = recipient
acl_smtp_data = content
begin acl
sender:
  deny senders = evil@example.org
       message = not from you
  accept
content:
  deny condition = ${{if match{{$h_Subject:}}{{^Forbidden}}}}
       message = not here
  accept
recipient:
  deny local_parts = nobody
       message = no such user
  accept domains = example.test
  deny
"""


class Exim(Program):
    """Exim, which keeps all mail in its spool."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.host = own_address()
        self.ports = {"mx": 2525}

    @property
    def log(self) -> str:
        log = self.root / "mainlog"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    def accepted(self) -> list[tuple[str, str, str]]:
        """Return id, extensions and Message-ID of each message that it has accepted, in order.

        The extensions are those that it was sent with: L is PIPELINING, K is CHUNKING.
        """
        found = re.findall(r" (\S+) <= .* P=\w+( .*)? S=\d+ id=(\S+)", self.log)
        return [
            (
                spool_id,
                "".join(each.rstrip(".") for each in words.split() if "-" not in each),
                f"<{id_}>",
            )
            for spool_id, words, id_ in found
        ]

    def spooled(self) -> dict[str, str]:
        """Return id -> Message-ID of each message in its spool."""
        headers = {
            path.name.removesuffix("-H"): path.read_bytes()
            for path in (self.root / "spool" / "input").glob("*-H")
        }
        return {
            name: re.findall(rb"^\d+I? *Message-ID: (\S+)", content, re.MULTILINE)[0].decode()
            for name, content in headers.items()
        }

    def content(self, spool_id: str) -> bytes:
        """Return a message as it would be delivered, without the Received header at its top."""
        stored = self._run("-Mvc", spool_id)
        return re.sub(rb"\AReceived:.*\n(?:[ \t].*\n)*", b"", stored)

    def _run(self, *arguments: str) -> bytes:
        command = self._command(*arguments)
        return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout

    def _command(self, *arguments: str) -> list[str]:
        assert EXIM, "CI has to install Exim"
        return [EXIM, "-C", str(self.root / "exim.conf"), *arguments]


def _used(words: str) -> str:
    # A minus marks what was offered and not used, a dot that there was another offer.
    return "".join(word.rstrip(".") for word in words.split() if "-" not in word)


@contextlib.contextmanager
def running(*options: str) -> Iterator[Exim]:
    """Run Exim with a configuration of its own, and these lines in it."""
    with folder("exim") as root:
        exim = Exim(root)
        configuration = CONFIGURATION.format(
            program=EXIM,
            root=root,
            host=exim.host,
            port=exim.ports["mx"],
            options="\n".join(options),
        )
        (root / "exim.conf").write_text(configuration)
        shutil.chown(root, "Debian-exim")
        # In the foreground and a session of its own, so that its children end with it.
        daemon = subprocess.Popen(exim._command("-bdf"), start_new_session=True)
        try:
            until(lambda: "listening for SMTP" in exim.log, lambda: exim.log)
            yield exim
        finally:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait(60)
