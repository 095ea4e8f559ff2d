"""Sending under gevent: greenlets take turns wherever one of them waits for a server."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gevent") is None and not os.environ.get("CI"),
    reason="needs gevent (it is in the dependency group tests)",
)

GREENLETS = 20

# It takes no message for together@ before one has come over each of GREENLETS connections.
SERVER = """\
import asyncio, json, sys

here = set()
all_are_here = asyncio.Event()
kept, quits = [], []

async def keep(port, recipient, content):
    if recipient == "TO:<together@example.com>":
        here.add(port)
        if len(here) == int(sys.argv[1]):
            all_are_here.set()
        await all_are_here.wait()
    [subject] = [line[9:] for line in content.splitlines() if line.startswith(b"Subject: ")]
    kept.append((subject.decode(), port, len(content)))

async def talk(reader, writer):
    port = writer.get_extra_info("peername")[1]
    recipient, content = "", b""
    writer.write(b"220 mx.test\\r\\n")
    while line := await reader.readline():
        verb, *words = line.decode().split()
        reply = "250 2.0.0 OK"
        if verb.upper() == "EHLO":
            reply = "250-mx.test\\r\\n" + "".join(f"250-{each}\\r\\n" for each in sys.argv[2:])
            reply += "250 8BITMIME"
        elif verb == "RCPT":
            recipient = words[0]
        elif verb == "DATA":
            writer.write(b"354 go on\\r\\n")
            content = await reader.readuntil(b"\\r\\n.\\r\\n")
            await keep(port, recipient, content[:-3])
        elif verb == "BDAT":
            content += await reader.readexactly(int(words[0]))
            if words[-1] == "LAST":
                await keep(port, recipient, content)
                content = b""
        elif verb == "QUIT":
            quits.append(port)
            reply = "221 2.0.0 bye"
        elif verb not in ("MAIL", "RSET"):
            reply = "500 5.5.2 what?"
        writer.write(f"{reply}\\r\\n".encode())
        await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=2**26)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until the end
    print(json.dumps([kept, quits]))

asyncio.run(main())
"""

PROGRAM = """\
import json, sys
{imports}
import gevent
from flask import Flask
from flask_mail import Mail, Message

app = Flask("shop")
app.config.update(
    MAIL_SERVER="127.0.0.1",
    MAIL_PORT=int(sys.argv[1]),
    MAIL_DEFAULT_SENDER="me@example.com",
    MAIL_POOL_SIZE=4,
    MAIL_KEEPALIVE=3600,
    MAIL_TIMEOUT=60,
)
mail = Mail(app)

def message(subject, name="to", body="Hi"):
    return Message(subject, [f"{{name}}@example.com"], body)

def at_once(work):
    greenlets = [gevent.spawn(work, number) for number in range({greenlets})]
    gevent.joinall(greenlets, raise_error=True)
    return [receipt for each in greenlets for receipt in each.value]

{work}
print(json.dumps([receipt.outcome.name for receipt in receipts]))
"""

PATCHED_BEFORE = "from gevent import monkey; monkey.patch_all(); import flask_mail"
PATCHED_AFTER = "import flask_mail; from gevent import monkey; monkey.patch_all()"
ORDERS = (PATCHED_BEFORE, PATCHED_AFTER)
OFFERS = (("PIPELINING", "CHUNKING"), ("PIPELINING",), ())


@dataclass(frozen=True)
class Kept:
    """A message that the server took."""

    subject: str
    port: int
    """The client's: the same for all that comes over one connection."""
    size: int


def run(imports: str, work: str, extensions: tuple[str, ...]) -> tuple[list[Kept], list[int]]:
    """Run a program whose `work` leaves its receipts in `receipts`; each must say SENT.

    Returns what its server took, in order, and the ports of connections that ended with QUIT.
    """
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(GREENLETS), *extensions],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        try:
            program = PROGRAM.format(imports=imports, work=work, greenlets=GREENLETS)
            done = subprocess.run(
                [sys.executable, "-c", program, port],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                timeout=240,
            )
        finally:
            server.stdin.close()
        kept, quits = json.loads(server.stdout.read())
    assert json.loads(done.stdout) == ["SENT"] * len(kept)
    return [Kept(*each) for each in kept], quits


@pytest.mark.parametrize("imports", ORDERS)
@pytest.mark.parametrize(
    "extensions",
    [OFFERS[0], *(pytest.param(each, marks=pytest.mark.exhaustive) for each in OFFERS[1:])],
)
def test_greenlets_send_at_the_same_time_and_share_the_pool(
    imports: str, extensions: tuple[str, ...]
) -> None:
    """The server answers none of them before it has heard from all of them."""
    work = """
def send(number):
    return [
        mail.send(message(f"{number} {index}", "to" if index else "together"))
        for index in range(5)
    ]

receipts = at_once(send)
receipts += [mail.send(message(f"afterwards {index}")) for index in range(8)]
"""
    kept, quits = run(imports, work, extensions)
    wanted = [f"{number} {index}" for number in range(GREENLETS) for index in range(5)]
    wanted += [f"afterwards {index}" for index in range(8)]
    assert Counter(each.subject for each in kept) == Counter(wanted)
    assert {each.port for each in kept[-8:]} <= {each.port for each in kept[:-8]}
    # The pool ends what it has no room for, and the rest when the program ends.
    assert sorted(quits) == sorted({each.port for each in kept})


@pytest.mark.exhaustive
@pytest.mark.parametrize("imports", ORDERS)
@pytest.mark.parametrize("extensions", OFFERS)
def test_greenlets_send_batches_at_the_same_time(imports: str, extensions: tuple[str, ...]) -> None:
    """One message of each is large enough to go in chunks."""
    work = """
def send(number):
    return mail.send_many(
        message(
            f"{number} {index}",
            "to" if index else "together",
            "0123456789\\n" * (100_000 if index == 7 else 1),
        )
        for index in range(15)
    )

receipts = at_once(send)
"""
    kept, _ = run(imports, work, extensions)
    wanted = [f"{number} {index}" for number in range(GREENLETS) for index in range(15)]
    assert Counter(each.subject for each in kept) == Counter(wanted)
    large = {each.subject.endswith(" 7") for each in kept if each.size > 1_000_000}
    assert large == {True}
    assert len({each.port for each in kept}) == GREENLETS


@pytest.mark.exhaustive
@pytest.mark.parametrize("imports", ORDERS)
def test_greenlets_that_share_a_connection_wait_for_each_other(imports: str) -> None:
    work = """
with mail.connect() as connection:

    def send(number):
        receipts = [connection.send(message(f"{number} {index}")) for index in range(2)]
        return receipts + connection.send_many(
            message(f"{number} {index}") for index in range(2, 5)
        )

    receipts = at_once(send)
"""
    kept, _ = run(imports, work, ("PIPELINING", "CHUNKING"))
    wanted = [f"{number} {index}" for number in range(GREENLETS) for index in range(5)]
    assert Counter(each.subject for each in kept) == Counter(wanted)
    assert len({each.port for each in kept}) == 1
