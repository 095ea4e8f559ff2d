"""Postfix for tests: configured, started and stopped here, and read as it tells it."""

from __future__ import annotations

import contextlib
import json
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mail_programs import Program, find, folder, needs, own_address, until

from flask_mail import Outcome, Receipt

POSTFIX = find("postfix")
NEEDED = needs(POSTFIX, "Postfix")

SERVICES: Mapping[str, Sequence[str]] = {
    "mx": (),
    "no-chunking": ("smtpd_discard_ehlo_keywords=chunking",),
    "no-pipelining": ("smtpd_discard_ehlo_keywords=pipelining",),
    "no-extension": ("smtpd_discard_ehlo_keywords=chunking,pipelining,smtputf8,8bitmime,size",),
    "no-smtputf8": ("smtpd_discard_ehlo_keywords=smtputf8",),
    "small": ("message_size_limit=20000",),
    "impatient": ("smtpd_hard_error_limit=5",),
}
"""Each on a port of its own: what it does other than `mx`, which does all that Postfix can."""

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
maillog_file_prefixes = {root}
maillog_file = {root}/mail.log
enable_long_queue_ids = yes
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.test
mydestination =
smtputf8_enable = yes
message_size_limit = 50000000
smtpd_forbid_unauth_pipelining = yes
smtpd_forbid_bare_newline = yes
smtpd_forbid_bare_newline_exclusions =
smtpd_error_sleep_time = 0
smtpd_client_port_logging = yes
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access
    inline:{{{{nobody@example.test = 550 5.1.1 no such user}},
            {{later@example.test = 450 4.2.1 come back later}}}}
local_header_rewrite_clients =
header_checks = regexp:{root}/etc/header_checks
virtual_mailbox_domains = example.test
virtual_mailbox_base = {root}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
"""

MASTER_CF = """\
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
showq unix n - n - - showq
"""


def queue_id(receipt: Receipt) -> str:
    """Return the queue id in the receipt of a message that Postfix has taken."""
    assert receipt.outcome is Outcome.SENT
    taken = re.fullmatch(r"250 2\.0\.0 Ok: (?:\d+ bytes )?queued as (\w+)", receipt.response)
    assert taken
    return taken[1]


@dataclass
class Connection:
    """Entries of Postfix's log about one connection."""

    port: int
    """The client's."""
    queue_ids: list[str] = field(default_factory=list)
    commands: dict[str, int] = field(default_factory=dict)
    """Number of times that it got each command; known when the connection has ended."""
    ended: bool = False


class Postfix(Program):
    """Postfix, with a service for each of :data:`SERVICES` and one maildir for all mail."""

    def __init__(self, root: Path, milter: str = "") -> None:
        self.root = root
        self.milter = milter
        self.host = own_address()
        self.ports = {name: 2525 + number for number, name in enumerate(SERVICES)}

    @property
    def log(self) -> str:
        log = self.root / "mail.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    @property
    def sendmail(self) -> str:
        """The path of its program for mail of this machine; MAIL_CONFIG must be :attr:`etc`."""
        assert POSTFIX, "CI has to install Postfix"
        return str(Path(POSTFIX).with_name("sendmail"))

    @property
    def etc(self) -> Path:
        """The folder of its configuration."""
        return self.root / "etc"

    def connections(self) -> list[tuple[str, Connection]]:
        """Return service and connection of each connection, in order."""
        found: list[tuple[str, Connection]] = []
        current: dict[str, Connection] = {}  # one process serves several, one after the other
        for service, pid, text in re.findall(r" ([\w-]+)/smtpd\[(\d+)\]: (.*)", self.log):
            if text.startswith("connect from"):
                current[pid] = Connection(int(text.rpartition(":")[2]))
                found.append((service, current[pid]))
            elif text.startswith("disconnect from"):
                counts = re.findall(r" (\w+)=(?:\d+/)?(\d+)", text)
                current[pid].commands = {name: int(count) for name, count in counts}
                current[pid].ended = True
            elif accepted := re.match(r"(\w+): client=", text):
                current[pid].queue_ids.append(accepted[1])
        return found

    def only_connection(self, service: str, receipts: Sequence[Receipt]) -> Connection:
        """Return the one connection that brought the messages of these receipts, in their order."""
        queue_ids = [queue_id(receipt) for receipt in receipts]
        self._wait_for(queue_ids)
        [found] = [each for each in self.connections() if set(each[1].queue_ids) & set(queue_ids)]
        assert found[0] == service
        assert found[1].queue_ids == queue_ids
        return found[1]

    def connection_from(self, port: int) -> Connection:
        """Return the last connection from this port, once it has ended."""

        def ended() -> Connection | None:
            found = [each for _, each in self.connections() if each.port == port]
            return found[-1] if found and found[-1].ended else None

        return until(ended, lambda: f"port {port} in {self.log}")

    def message_ids(self) -> list[tuple[str, str]]:
        """Return queue id and Message-ID of each message that it has read, in order."""
        return re.findall(r"/cleanup\[\d+\]: (\w+): message-id=(\S+)", self.log)

    def recipients_of(self, queue_id: str) -> list[str]:
        """Return to whom it delivered a message, sorted."""
        pattern = rf"/virtual\[\d+\]: {queue_id}: to=<(.*?)>,.* status=sent "
        return sorted(re.findall(pattern, self.log))

    def queued(self) -> list[str]:
        """Return the queue ids of what is in its queue."""
        listed = self._run("postqueue", "-j").stdout
        return [json.loads(line)["queue_id"] for line in listed.splitlines()]

    def delivered(self, *queue_ids: str) -> dict[str, bytes]:
        """Return the messages of these queue ids as its delivery agent has written them.

        What it added at the top is taken off, so this is what was sent, but for the line ends.
        """
        wanted = set(queue_ids)
        self._wait_for(queue_ids)
        found: dict[str, bytes] = {}
        copies: set[tuple[str, str]] = set()
        for path in (self.root / "mail" / "inbox" / "new").iterdir():
            trace, content = _split_trace(path.read_bytes())
            [copy] = re.findall(r"(?s)^Delivered-To: (\S+)$.*\sid (\w+)", trace, re.MULTILINE)
            if copy[1] not in wanted:
                continue
            assert copy not in copies, f"{copy} was delivered twice"
            copies.add(copy)
            assert found.setdefault(copy[1], content) == content
        assert set(found) == wanted
        return found

    def stored(self, queue_id: str) -> bytes:
        """Return a message as it was written, with all that was added at the top."""
        self._wait_for([queue_id])
        paths = (self.root / "mail" / "inbox" / "new").iterdir()
        [found] = [text for path in paths if queue_id.encode() in (text := path.read_bytes())]
        return found

    def assert_agrees_with(self, receipts: Sequence[Receipt]) -> list[bytes]:
        """Check that each message was taken and delivered once, under the id in its receipt.

        Returns what was delivered, in the order of the receipts.
        """
        told = {queue_id(receipt): receipt.message_id for receipt in receipts}
        assert len(told) == len(set(told.values())) == len(receipts)
        delivered = self.delivered(*told)
        ours = set(told.values())
        taken = [pair for pair in self.message_ids() if pair[1] in ours]
        assert sorted(taken) == sorted(told.items())
        assert not set(told) & set(self.queued())
        for each, content in delivered.items():
            assert f"\nMessage-ID: {told[each]}\n".encode() in b"\n" + content
        return [delivered[each] for each in told]

    def _wait_for(self, queue_ids: Sequence[str]) -> None:
        """Wait until these are delivered: all else that it says of them has been said by then."""

        def are_removed() -> bool:
            removed = re.findall(r"/qmgr\[\d+\]: (\w+): removed", self.log)
            return set(queue_ids) <= set(removed)

        until(are_removed, lambda: f"{queue_ids} in {self.log}")

    def _start(self) -> None:
        account = pwd.getpwnam("nobody")
        for name in ("queue", "data", "mail", "etc"):
            (self.root / name).mkdir(mode=0o755)
        shutil.chown(self.root / "data", "postfix")
        shutil.chown(self.root / "mail", account.pw_uid, account.pw_gid)
        services = "".join(
            f"{self.host}:{self.ports[name]} inet n - n - - smtpd -o syslog_name={name}"
            + "".join(f" -o {option}" for option in options)
            + "\n"
            for name, options in SERVICES.items()
        )
        main = MAIN_CF.format(root=self.root, uid=account.pw_uid, gid=account.pw_gid)
        if self.milter:
            main += f"smtpd_milters = {self.milter}\nmilter_default_action = tempfail\n"
        (self.root / "etc" / "header_checks").write_text("/^Subject: Forbidden/ REJECT not here\n")
        (self.root / "etc" / "main.cf").write_text(main)
        (self.root / "etc" / "master.cf").write_text(services + MASTER_CF)
        self._run("postfix", "start")

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert POSTFIX, "CI has to install Postfix"
        command = [str(Path(POSTFIX).with_name(program)), "-c", str(self.root / "etc"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)


@contextlib.contextmanager
def running(milter: str = "") -> Iterator[Postfix]:
    """Run Postfix with a configuration of its own.

    :param milter: the address of a filter for its mail, as ``smtpd_milters`` takes it.
    """
    with folder("postfix") as root:
        postfix = Postfix(root, milter)
        postfix._start()
        try:
            yield postfix
        finally:
            postfix._run("postfix", "stop")


def _split_trace(stored: bytes) -> tuple[str, bytes]:
    """Split what Postfix's virtual(8) wrote into its own headers and the message that it was sent.

    Its headers are Return-Path, X-Original-To, Delivered-To and Received; none of ours come there.
    """
    added = re.match(
        rb"(?:(?:Return-Path|X-Original-To|Delivered-To|Received):.*\n(?:[ \t].*\n)*)+", stored
    )
    assert added
    return added[0].decode(), stored[added.end() :]
