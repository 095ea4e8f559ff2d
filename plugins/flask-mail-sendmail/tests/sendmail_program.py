"""A program in the place of sendmail that runs a script, and messages for it."""

from __future__ import annotations

import os
import stat

from flask_mail import Message
from flask_mail.backends import Envelope

SAVE = """
    folder=$(mktemp -d "$(dirname "$0")/$(date +%s%N).XXXXXX")
    printf '%s\\n' "$@" > "$folder/arguments"
    cat > "$folder/content"
    touch "$folder/done"
"""


def program(folder, script):
    path = folder / "sendmail"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(stat.S_IRWXU)
    return path


def read(folder):
    """Return the envelope and content of each run."""
    found = []
    for each in sorted(folder.glob("*/done")):
        arguments = (each.parent / "arguments").read_text("utf-8").splitlines()
        sender = arguments[arguments.index("-f") + 1].replace("<>", "")
        recipients = tuple(arguments[arguments.index("--") + 1 :])
        content = (each.parent / "content").read_bytes().replace(b"\n", b"\r\n")
        found.append((Envelope(sender, recipients), content))
    return found


def large():
    message = Message("Large", ["bob@example.com"], "Hi", sender="ann@example.com")
    message.attach("large.bin", data=os.urandom(2_000_000))
    return message


def changing(folder):
    """Return a message with a file that changes while it is read."""
    path = folder / "large.bin"
    path.write_bytes(os.urandom(2_000_000))

    class Changing(Message):
        def content_to_send(self):
            content = super().content_to_send()
            content.check = lambda: os.truncate(path, 1_000_000)
            return content

    message = Changing("Large", ["bob@example.com"], "Hi", sender="ann@example.com")
    message.attach_file(path)
    return message
