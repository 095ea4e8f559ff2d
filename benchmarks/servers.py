"""The servers that are sent to: Postfix and its smtp-sink; nothing is delivered."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from .login import PasswordServer, make_certificate, with_authorities
from .network import NETWORK, SERVERS
from .policy import SlowPolicy
from .programs import program, running

_MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
maillog_file_prefixes = {root}
maillog_file = {root}/mail.log
inet_interfaces = {address}
inet_protocols = ipv4
myhostname = mx.bench.test
mydestination =
mynetworks = {network}
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = discard
# No name server is asked for anything.
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
# Otherwise Postfix pauses a second where mail comes faster than it goes: its own limit would be
# measured instead of the client's.
in_flow_delay = 0
# Room for an attachment of 25 MiB in base64; the default is 10 MB.
message_size_limit = 52428800
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{passwords}
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
"""

_MASTER_CF = """\
{address}:{postfix} inet n - n - - smtpd
{address}:{pipelining} inet n - n - - smtpd
    -o smtpd_discard_ehlo_keywords=chunking
{address}:{neither} inet n - n - - smtpd
    -o smtpd_discard_ehlo_keywords=chunking,pipelining
{address}:{slow} inet n - n - - smtpd
    -o smtpd_end_of_data_restrictions=check_policy_service,inet:127.0.0.1:{policy}
{address}:{login} inet n - n - - smtpd
    -o smtpd_tls_security_level=encrypt
    -o smtpd_sasl_auth_enable=yes
    -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
postlog unix-dgram n - n - 1 postlogd
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
discard unix - - n - 2 discard
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
"""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server((SERVERS, 0)) as server:
        return int(server.getsockname()[1])


def wait_for(port: int, limit: float = 20.0) -> None:
    """Wait until something listens on the port.

    :raises TimeoutError: nothing did.
    """
    until = time.monotonic() + limit
    while True:
        with contextlib.suppress(OSError), socket.create_connection((SERVERS, port), 5):
            return
        if time.monotonic() > until:
            raise TimeoutError(f"Nothing listens on port {port} of {SERVERS}.")
        time.sleep(0.05)


class Postfix:
    """A running Postfix with a configuration and a queue of its own."""

    def __init__(self, root: Path, ports: dict[str, int], authorities: Path) -> None:
        self.root = root
        self.ports = ports
        self.authorities = authorities
        self._log = root / "mail.log"
        self._read = 0
        self._removed = 0

    def done(self, count: int, limit: float = 120.0) -> int:
        """Wait until Postfix is done with `count` messages since the last call; return how many
        it was done with.

        So that it does not work on one measurement's messages during the next, and that no figure
        counts a message that Postfix has not got.
        """
        until = time.monotonic() + limit
        while time.monotonic() < until:
            if self._log.exists():
                with self._log.open("rb") as log:
                    log.seek(self._read)
                    text = log.read()
                whole = text[: text.rfind(b"\n") + 1]
                self._read += len(whole)
                self._removed += whole.count(b": removed\n")
            if self._removed >= count:
                break
            time.sleep(0.05)
        removed, self._removed = self._removed, 0
        return removed


@contextlib.contextmanager
def postfix(folder: Path | None = None) -> Iterator[Postfix]:
    """Run Postfix: ports ``postfix`` (PIPELINING and CHUNKING), ``pipelining`` (that alone),
    ``neither``, ``slow`` (both, and it takes a while to accept a message) and ``login`` (STARTTLS
    and AUTH demanded).

    :param folder: where its queue is.
    """
    command = program("postfix")
    if os.geteuid() != 0:
        raise SystemExit("Postfix has to be started by root.")
    # Its processes are other users and must get through, whatever the folders above allow.
    root = Path(tempfile.mkdtemp(prefix="flask-mail-bench-", dir=folder))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        root.chmod(0o755)
        for name in ("queue", "data", "etc"):
            (root / name).mkdir(mode=0o755)
        shutil.chown(root / "data", "postfix")
        certificate, key = make_certificate(root / "etc", SERVERS)
        passwords = stack.enter_context(PasswordServer())
        policy = stack.enter_context(SlowPolicy())
        for each in (passwords, policy):
            threading.Thread(target=each.serve_forever, daemon=True).start()
            stack.callback(each.shutdown)
        names = ("postfix", "pipelining", "neither", "slow", "login")
        ports = {name: free_port() for name in names}
        values = {"root": root, "queue": root / "queue", "data": root / "data", **ports}
        values |= {"address": SERVERS, "network": NETWORK}
        values |= {"certificate": certificate, "key": key}
        values |= {"passwords": passwords.port, "policy": policy.port}
        (root / "etc" / "main.cf").write_text(_MAIN_CF.format(**values))
        (root / "etc" / "master.cf").write_text(_MASTER_CF.format(**values))
        control = [command, "-c", str(root / "etc")]
        stack.callback(subprocess.run, [*control, "abort"], capture_output=True, timeout=60)
        started = subprocess.run(
            [*control, "start"], check=False, capture_output=True, text=True, timeout=60
        )
        if started.returncode:
            raise SystemExit(f"Postfix does not start:\n{started.stdout}{started.stderr}")
        for port in ports.values():
            wait_for(port)
        yield Postfix(root, ports, with_authorities(certificate))


@contextlib.contextmanager
def sink() -> Iterator[int]:
    """Run smtp-sink, which announces PIPELINING and not CHUNKING; yield its port."""
    port = free_port()
    command = [program("smtp-sink")]
    if os.geteuid() == 0:
        command += ["-u", "nobody"]
    with running([*command, f"{SERVERS}:{port}", "100"]):
        wait_for(port)
        yield port
