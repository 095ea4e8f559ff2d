"""An interrupt at any point of a login leaves no password in a frame."""

from __future__ import annotations

import base64
import gc
import smtplib
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from flask_mail.smtp.auth import log_in
from flask_mail.smtp.replies import Reply
from flask_mail.util.secret import Secret, Token

PASSWORD = "s3cret-p\u00e4ssword\u200b"
TOKEN = "s3cret-t0ken"
CHALLENGE = base64.b64encode(b"<1896.697170952@postoffice.example.net>").decode()
MECHANISMS = {
    "PLAIN": [Reply(535, f"no {PASSWORD}")],
    "LOGIN": [Reply(334, "VXNlcm5hbWU6"), Reply(334, "UGFzc3dvcmQ6"), Reply(535, "no")],
    "CRAM-MD5": [Reply(334, CHALLENGE), Reply(535, "no")],
    "OAUTHBEARER": [Reply(334, base64.b64encode(b'{"status":"401"}').decode()), Reply(535, "no")],
    "XOAUTH2": [Reply(334, "e30="), Reply(535, f"no {TOKEN}")],
}


class Alarm(BaseException):
    """Exception of a signal handler."""


class Answering:
    """Stands in for a link: answers what it is asked."""

    def __init__(self, replies: list[Reply]) -> None:
        self._replies = list(replies)
        self.secret: Any = None

    def ask(self, line: bytes, shown: str) -> Reply:
        return self._replies.pop(0)


def login(mechanism: str, secret: Secret, replies: list[Reply]) -> None:
    host = smtplib.SMTP()
    host.esmtp_features = {"auth": mechanism}
    host.file = Answering(replies)  # type: ignore[assignment]
    log_in(host, "kate", secret, ("mail.example.com", 25))


def interrupted_at(point: int, mechanism: str, secret: Secret, kind: type[BaseException]) -> Any:
    """Log in, with an exception at the nth call or return; return what was raised."""
    steps = 0
    inside = False

    def step(frame: Any, event: str, arg: object) -> Any:
        nonlocal steps, inside
        frame.f_trace_lines = False  # calls and returns: there are thousands of lines
        inside = inside or frame.f_code.co_name == "_refusal"
        if inside:
            steps += 1
            if steps == point:
                raise kind("now")
        return step

    others = sys.gettrace()
    gc.disable()  # its callbacks, those of hypothesis, would be interrupted too
    sys.settrace(step)
    try:
        login(mechanism, secret, MECHANISMS[mechanism])
    except (Exception, Alarm) as error:  # noqa: BLE001 (it is returned)
        return error
    finally:
        sys.settrace(others)
        gc.enable()
    return None


def values_in(error: BaseException) -> Iterator[tuple[str, object]]:
    """Yield what the frames of an error, and of those before it, hold."""
    seen: BaseException | None = error
    while seen is not None:
        for frame, _ in traceback.walk_tb(seen.__traceback__):
            if frame.f_code.co_filename != __file__:
                for name, value in frame.f_locals.items():
                    yield f"{frame.f_code.co_name}: {name}", value
        seen = seen.__cause__ or seen.__context__


def shows(value: object) -> bool:
    text = repr(value)
    digests = ("s3cret", base64.b64encode(b"s3cret").decode()[:6], "czNjcm", "MzY3JldC", "zM2NyZX")
    return any(each in text for each in digests)


@pytest.mark.parametrize(("kind", "is_fetched"), [(Alarm, False), (OSError, True)])
@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_no_frame_shows_the_password_wherever_a_login_is_interrupted(
    stride, mechanism, is_fetched, kind
):
    by_token = mechanism in ("OAUTHBEARER", "XOAUTH2")
    word = TOKEN if by_token else PASSWORD
    source = (lambda: word) if is_fetched else word
    point = interrupts = 0
    while True:
        point += stride
        secret: Secret = Token(source) if by_token else Secret(source)
        error = interrupted_at(point, mechanism, secret, kind)
        if isinstance(error, smtplib.SMTPAuthenticationError):
            break  # it was not reached any more
        assert error is not None
        interrupts += 1
        for place, value in values_in(error):
            assert not shows(value), (point, place)
        assert not shows("".join(traceback.format_exception(error)))
    assert interrupts > 50 // stride


def test_the_frames_of_a_callable_that_fails_are_kept_for_its_author():
    def password() -> str:
        raise LookupError("vault")

    with pytest.raises(
        Exception, match="the callable in MAIL_PASSWORD raised LookupError"
    ) as caught:
        login("PLAIN", Secret(password), [])
    cause = caught.value.__cause__
    assert isinstance(cause, LookupError)
    assert [frame.f_code.co_name for frame, _ in traceback.walk_tb(cause.__traceback__)] == [
        "current",
        "password",
    ]
