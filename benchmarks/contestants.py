"""Contestants: a worker in a library's environment, its imports, or Postfix's own client."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any, Protocol

from .network import SERVERS, Prefix
from .programs import program
from .workers.content import HTML, SENDER, SUBJECT, TEXT, recipients, rendered

WORKERS = Path(__file__).resolve().parent / "workers"
TIME_LIMIT = 120.0  # seconds for one request: several times what the slowest takes


def _environment(certificate: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "LANG": "C.UTF-8",
        "SSL_CERT_FILE": str(certificate),
    }


class CouldNotSend(Exception):
    """There is no figure; says why."""


class Contestant(Protocol):
    """Sends what it is asked to and answers with times."""

    def ask(self, request: dict[str, Any]) -> dict[str, Any]: ...

    def close(self) -> None: ...


class Worker:
    """A process that reads requests and writes answers.

    :param command: the program, which is given the options as JSON.
    """

    def __init__(
        self, command: list[str], options: dict[str, Any], certificate: Path, log: Path
    ) -> None:
        self._what = command[-1]
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [*command, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=WORKERS,
            env=_environment(certificate),
            start_new_session=True,  # Ctrl-C is for us, who then stop it
        )

    @property
    def group(self) -> int:
        """The group of its processes."""
        return self._process.pid

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request.

        :raises CouldNotSend: an error there, or no answer in time.
        """
        process = self._process
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
        except OSError as error:
            raise CouldNotSend(f"the worker has ended: {self._what}") from error
        answer: dict[str, Any] = json.loads(self._line(time.monotonic() + TIME_LIMIT))
        if "error" in answer:
            raise CouldNotSend(answer["error"])
        return answer

    def _line(self, until: float) -> bytes:
        assert self._process.stdout is not None
        source = self._process.stdout.fileno()
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([source], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self._process.kill()
                raise CouldNotSend(f"no answer within {TIME_LIMIT:.0f} s")
            data = os.read(source, 65536)
            if not data:
                raise CouldNotSend(f"the worker has ended: {self._what}")
            line += data
        return line

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                with contextlib.suppress(OSError):  # it has ended before it read everything
                    stream.close()
        try:
            self._process.wait(20)  # it may have connections to say goodbye to
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._log.close()


def python_worker(python: Path, adapter: str) -> list[str]:
    """Return the command of a worker in a library's environment."""
    return [str(python), str(WORKERS / "worker.py"), adapter]


def nodemailer_worker(folder: Path, options: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Return the command of a worker with Nodemailer, and its options.

    :param folder: where it is installed.
    """
    message = {"sender": SENDER, "recipient": recipients(1)[0], "subject": SUBJECT}
    message |= {"text": TEXT, "html": HTML}
    command = ["node", str(WORKERS / "nodemailer_worker.cjs")]
    return command, options | message | {"folder": str(folder)}


# Names are used, since a package may import them only then.
_IMPORT = """\
import importlib, sys, time
above, module, *names = sys.argv[1:]
if above:
    importlib.import_module(above)
start = time.perf_counter()
found = importlib.import_module(module)
for name in names:
    getattr(found, name)
print(time.perf_counter() - start)
"""
_FIRST_SEND = """\
import importlib, json, sys, time
above, adapter, options = sys.argv[1:]
if above:
    importlib.import_module(above)
from content import recipients
start = time.perf_counter()
sender = importlib.import_module(adapter).Sender(json.loads(options))
with sender.context():
    sender.send(sender.message(recipients(1)))
print(time.perf_counter() - start)
"""


class NewProcesses:
    """New processes that each import a library, and may send one message."""

    def __init__(
        self, python: Path, adapter: str, options: dict[str, Any], certificate: Path
    ) -> None:
        self._python = python
        self._sending = [adapter, json.dumps(options)]
        self._environment = _environment(certificate)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the seconds of each; those of a first one, which may compile, are not counted.

        :raises CouldNotSend: it cannot be imported, or cannot send.
        """
        above, count = request["above"], request["count"] + 1
        sends = request["task"] == "first send"
        # Isolated for imports, so that this folder's modules are not found instead.
        command = [str(self._python), *(["-c", _FIRST_SEND] if sends else ["-I", "-c", _IMPORT])]
        command += [above, *(self._sending if sends else (request["module"], *request["names"]))]
        samples = []
        for _ in range(count):
            try:
                done = subprocess.run(
                    command,
                    check=True,
                    capture_output=True,
                    timeout=TIME_LIMIT,
                    cwd=WORKERS,
                    env=self._environment,
                )
            except (subprocess.SubprocessError, OSError) as error:
                raise CouldNotSend(f"{request['task']}: {error}") from error
            samples.append(float(done.stdout))
        return {"samples": samples[1:], "sent": count if sends else 0}

    def close(self) -> None:
        """End it: nothing is running."""


class SmtpSource:
    """Postfix's client in C: no pipelining, no TLS; the reference for what a message costs."""

    def __init__(self, prefix: Prefix, port: int, folder: Path) -> None:
        self._prefix = prefix
        self._port = port
        self._message = folder / "message.txt"
        self._message.write_bytes(rendered())

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return times as a worker does; the start of the program is in them."""
        task, count = request["task"], request["count"]
        threads = request.get("threads", 1)
        if task == "single" and threads == 1:
            samples = [self._run(1, to=request["to"]) for _ in range(count)]
            return {"samples": samples, "seconds": sum(samples), "sent": count}
        if task == "single":
            seconds = self._run(count, threads=threads)
            return {"samples": [], "seconds": seconds, "sent": count}
        each = count // threads
        around = self._run(threads, threads=threads)
        seconds = self._run(each * threads, "-d", threads=threads)
        if each == 1:
            return {"around": 0.0, "sending": seconds, "count": count, "sent": count + threads}
        return {
            "around": around,
            "sending": seconds - around,
            "count": (each - 1) * threads,
            "sent": (each + 1) * threads,
        }

    def _run(self, count: int, *options: str, threads: int = 1, to: int = 1) -> float:
        command = [*self._prefix, program("smtp-source"), *options, "-F", str(self._message)]
        command += ["-m", str(count), "-s", str(threads), "-r", str(to), "-f", SENDER]
        command += [
            "-t",
            recipients(1)[0],
            "-M",
            "client.bench.test",
            f"inet:{SERVERS}:{self._port}",
        ]
        start = time.perf_counter()
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=TIME_LIMIT)
        except (subprocess.SubprocessError, OSError) as error:
            raise CouldNotSend(f"smtp-source: {error}") from error
        return time.perf_counter() - start

    def close(self) -> None:
        """End it: nothing is running."""
