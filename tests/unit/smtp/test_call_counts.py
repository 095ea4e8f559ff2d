"""Upper bounds for the Python calls per message. Unlike timings, they hold on a busy machine.

They are counted in a process of their own: pools and outboxes of other tests cost calls too.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from servers import mail_to, smtp_server

from flask_mail import Message

COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>")


def hello() -> Message:
    return Message("Hello", ["to@example.com"], "Hello.\n", sender="from@example.com")


def calls_of(do: Callable[[], object]) -> int:
    """Return how many Python functions `do` enters or resumes.

    Comprehensions are left out: they are calls only before CPython 3.12 (PEP 709).
    """
    calls = 0

    def count(frame: FrameType, event: str, given: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_name not in COMPREHENSIONS

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        do()
    finally:
        sys.setprofile(before)
    return calls


def fewest(do: Callable[[Message], object]) -> int:
    """Return the count of the best of several messages: a reply may come in pieces."""
    return min(calls_of(partial(do, hello())) for _ in range(20))


def calls_of_a_send() -> int:
    with smtp_server() as server:
        mail = mail_to(server.port, MAIL_POOL_SIZE=1)
        with mail.app.app_context():  # type: ignore[union-attr]
            mail.send(hello())
            calls = fewest(mail.send)
        mail.close()
    assert len({id(session) for session in server.recorder.sessions}) == 1
    return calls


def calls_of_rendering() -> int:
    hello().as_bytes()
    return fewest(Message.as_bytes)


def test_a_message_takes_few_calls() -> None:
    run = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    sending, rendering = map(int, run.stdout.split())
    assert 0 < sending <= 440
    assert 0 < rendering <= 60


if __name__ == "__main__":
    print(calls_of_a_send(), calls_of_rendering())  # noqa: T201
