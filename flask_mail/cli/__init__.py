"""The ``flask mail`` commands. Every app has them if Flask-Mail is installed."""

from __future__ import annotations

from .backends import list_backends
from .check import check_settings
from .events import confirm_events, list_events
from .group import MailGroup
from .inbox import open_inbox
from .lint import lint_files
from .mailers import list_mailers
from .new_backend import write_backend
from .previews import list_previews, render_preview
from .route import show_route
from .send import send_message

__all__ = ["mail_cli"]

mail_cli = MailGroup("mail", help="Send and check messages, and check the mail settings.")
mail_cli.command("send")(send_message)
mail_cli.command("backends")(list_backends)
mail_cli.command("mailers")(list_mailers)
mail_cli.command("route")(show_route)
mail_cli.command("check")(check_settings)
_events = mail_cli.group("events", invoke_without_command=True)(list_events)
_events.command("confirm")(confirm_events)
mail_cli.command("lint", with_appcontext=False)(lint_files)  # no app needed
mail_cli.command("inbox")(open_inbox)
mail_cli.command("previews")(list_previews)
mail_cli.command("render")(render_preview)
mail_cli.command("new-backend", with_appcontext=False)(write_backend)
