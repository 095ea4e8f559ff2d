"""``python -m benchmarks.inbox``: how fast the inbox answers with much mail, and what it needs.

Goals: with 1,000 messages of 100 KiB, the list in less than 100 ms and a search in less than 300
ms, and the same with 10,000 files. The first search reads the messages, page by page, and the
others remember them. The times are those of the processor, so that other programs do not count.
"""

from __future__ import annotations

import argparse
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from html import unescape
from pathlib import Path

KIB = 1024
CASES = {"1,000 of 100 KiB": (1_000, 100 * KIB), "10,000 of 2 KiB": (10_000, 2 * KIB)}
PAGES = {
    "list": "/_mail/",
    "search": "/_mail/?q=number+77",
    "search for nothing": "/_mail/?q=nothing+of+that",
    "is there more?": "/_mail/changes?version=",
    "a message": None,
}
TIMES = 5
GOES_ON = re.compile(r'<a id="more" class="button" href="([^"]*)" data-goes-on')


def fill(folder: Path, count: int, size: int) -> None:
    """Write messages as the file backend does, without syncing each one."""
    from flask_mail import Message
    from flask_mail.backends import Outgoing
    from flask_mail.backends.file import _envelope
    from flask_mail.util.clocks import moment_of

    folder.mkdir()
    words = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. "
    paragraph = f'<p style="margin: 0 0 1em; color: #333">{words * 4}</p>\n'
    for number in range(count):
        message = Message(f"Number {number}", [f"reader{number}@example.com"])
        message.sender = "Shop <shop@example.com>"
        message.body = words * max(1, size // 4 // len(words))
        message.html = paragraph * max(1, size * 3 // 4 // len(paragraph))
        mail = Outgoing.of(message)
        moment = moment_of(1_900_000_000 + number)
        name = f"{moment:%Y%m%dT%H%M%S_%fZ}-{number:016x}"
        (folder / f"{name}.eml").write_bytes(mail.content)
        (folder / f"{name}.json").write_bytes(_envelope(mail, moment))


def measure(folder: Path) -> None:
    """Print what each page takes, first and then, in a process of its own."""
    from flask import Flask

    from flask_mail import Mail

    app = Flask("shop")
    app.debug = True
    app.config.update(MAIL_BACKEND="file", MAIL_FILE_PATH=str(folder))
    Mail(app)
    client = app.test_client()
    client.get("/_mail/previews")  # what is imported is not counted
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    newest = max(folder.glob("*.eml")).stem

    def get(path: str) -> tuple[float, str]:
        start = time.process_time()
        answer = client.get(path, headers={"X-Mail-Pane": "1"})
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        return (time.process_time() - start) * 1000, answer.text

    for name, path in PAGES.items():
        first, page = get(path or f"/_mail/messages/{newest}")
        pages = [first]
        while further := GOES_ON.search(page):
            taken, page = get(unescape(further[1]))
            pages.append(taken)
        then = statistics.median(get(path or f"/_mail/messages/{newest}")[0] for _ in range(TIMES))
        print(f"  {name:20} first {first:6.0f} ms, then {then:6.0f} ms", end="")
        rest = f"; first, to its end: {sum(pages):.0f} ms in {len(pages)} pages"
        print(rest if len(pages) > 1 else "")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / KIB
    print(f"  memory               {grown:8.0f} MiB more than before")


def main() -> None:
    """Make the messages, and measure each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inbox", description=__doc__)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    folder = parser.parse_args().folder
    if folder is not None:
        measure(folder)
        return
    for name, (count, size) in CASES.items():
        with tempfile.TemporaryDirectory() as temporary:
            made = Path(temporary, "mail")
            fill(made, count, size)
            print(name, flush=True)
            own = [sys.executable, "-m", "benchmarks.inbox", "--folder", str(made)]
            subprocess.run(own, check=True)


if __name__ == "__main__":
    main()
