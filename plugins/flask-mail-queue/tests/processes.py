"""``flask mail work`` as a program: ``python processes.py URL ARGUMENT...``.

The mailer prints a line for each message, and waits for the end of its input if that is "wait".
"""

from __future__ import annotations

import sys

import click
from flask.cli import ScriptInfo
from flask_mail_queue.cli.work import work
from flask_mail_queue.worker import supervisor
from shop import Shop

supervisor._DELAY = 0.0  # noqa: SLF001


def main(url, *arguments):
    shop = Shop(url)

    def before(mail):
        click.echo(f"Sending: {mail.message.subject}")
        if mail.message.subject == "wait":
            sys.stdin.read()

    shop.peer.before = before
    work.main(list(arguments), obj=ScriptInfo(create_app=lambda: shop.app))


if __name__ == "__main__":
    main(*sys.argv[1:])
