"""Awkward messages, octet for octet as they are in `tests/unit/mime/golden`.

``python tests/unit/mime/test_golden.py`` writes those files again. Look at each one that has
changed: two readers compare it with what was put in, but cannot say whether it reads well.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from awkward import AWKWARD, REFUSED
from readers import READERS
from reading import compose, headers_of

from flask_mail import Message, MessageError
from flask_mail.delivery.outgoing import Outgoing
from flask_mail.mime.content import LARGE

GOLDEN = Path(__file__).with_name("golden")


def made(name: str) -> bytes:
    return AWKWARD[name].message(name).as_bytes()


@pytest.mark.parametrize("name", AWKWARD)
def test_an_awkward_message_has_the_octets_of_its_file(name: str) -> None:
    assert made(name) == (GOLDEN / f"{name}.eml").read_bytes()


@pytest.mark.parametrize("name", AWKWARD)
def test_what_the_file_says_is_what_was_put_in(name: str) -> None:
    """A golden file must not confirm a mistake."""
    content = (GOLDEN / f"{name}.eml").read_bytes()

    for read in READERS:
        assert read(content) == AWKWARD[name].read(name)


@pytest.mark.parametrize("name", AWKWARD)
def test_an_awkward_message_is_sent_as_it_is(name: str) -> None:
    message = AWKWARD[name].message(name)

    assert Outgoing.of(message).content == message.as_bytes()
    assert len(message.as_bytes()) < LARGE


def test_each_file_is_that_of_a_message() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {f"{name}.eml" for name in AWKWARD}


@pytest.mark.parametrize("what", REFUSED)
def test_unsendable_message_is_refused_but_still_rendered(what: str) -> None:
    given, reason = REFUSED[what]
    fields: dict[str, Any] = dict(given)
    filename = fields.pop("filename", None)
    message: Message = compose(**fields)
    if filename is not None:
        message.attach(filename, data=b"data")

    with pytest.raises(MessageError, match=f"(?s){reason}"):
        Outgoing.of(message)

    headers = headers_of(message.as_bytes())
    assert {"From", "To", "Date", "Message-ID", "MIME-Version", "Content-Type"} <= set(headers)
    assert "Bcc" not in headers


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.iterdir():
        path.unlink()
    for name in AWKWARD:
        (GOLDEN / f"{name}.eml").write_bytes(made(name))
