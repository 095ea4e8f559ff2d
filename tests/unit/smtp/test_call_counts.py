"""Upper bounds for the Python calls per message. Unlike timings, they hold on a busy machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import FrameType

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


def test_a_message_through_the_pool_takes_few_calls() -> None:
    with smtp_server() as server:
        mail = mail_to(server.port, MAIL_POOL_SIZE=1)
        with mail.app.app_context():  # type: ignore[union-attr]
            mail.send(hello())
            assert fewest(mail.send) <= 570
        mail.close()
    assert len({id(session) for session in server.recorder.sessions}) == 1


def test_rendering_a_message_takes_few_calls() -> None:
    hello().as_bytes()
    assert fewest(Message.as_bytes) <= 80
