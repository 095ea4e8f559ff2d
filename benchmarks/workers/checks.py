"""Does a message say what it should? No figure is for one that does not."""

from __future__ import annotations

from collections.abc import Iterable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from content import Content


def check(made: bytes, wanted: Content) -> None:
    """Compare the message that was made with what was wanted.

    :raises ValueError: they differ; names the parts that do.
    """
    message = message_from_bytes(made, policy=policy.default)
    assert isinstance(message, EmailMessage)
    files = list(message.iter_attachments())
    pairs: dict[str, tuple[Any, Any]] = {
        "Subject": (str(message["Subject"]).split(), wanted.subject.split()),
        "From": (_mailboxes(message["From"]), _parsed([wanted.sender])),
        "To": (_mailboxes(message["To"]), _parsed(wanted.to)),
        "Cc": (_mailboxes(message["Cc"]), _parsed(wanted.cc)),
        "Reply-To": (
            _mailboxes(message["Reply-To"]),
            _parsed([wanted.reply_to] if wanted.reply_to else []),
        ),
        "text": (_words(message, "plain"), wanted.text.split()),
        "HTML": (_words(message, "html"), (wanted.html or "").split()),
        "file names": ([each.get_filename() for each in files], [f.name for f in wanted.files]),
        "files": ([_data(each) for each in files], [f.data.split() for f in wanted.files]),
    }
    wrong = [name for name, (found, right) in pairs.items() if found != right]
    if wrong:
        raise ValueError(f"The message is not as it should be: {', '.join(wrong)}.")


def _mailboxes(header: Any) -> list[tuple[str, str, bytes]]:
    addresses = () if header is None else header.addresses
    # A domain may be in either of its spellings.
    return sorted(
        (each.display_name, each.username, each.domain.encode("idna")) for each in addresses
    )


def _parsed(addresses: Iterable[str]) -> list[tuple[str, str, bytes]]:
    parts = [each.rpartition("@") for each in addresses]
    names = [(local.rpartition(" <"), domain.rstrip(">")) for local, _, domain in parts]
    # Flask-Mail 0.10 has them in no order.
    return sorted((name, local, domain.encode("idna")) for (name, _, local), domain in names)


def _words(message: EmailMessage, subtype: str) -> list[str]:
    part = message.get_body((subtype,))
    return [] if part is None else str(part.get_content()).split()


def _data(part: Any) -> list[bytes]:
    # Libraries may change the line ends of files that are text.
    return bytes(part.get_payload(decode=True)).split()
