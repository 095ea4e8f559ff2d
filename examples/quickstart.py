"""The smallest real app: a page with a form that sends a welcome mail.

Serve the page, and see the mail in the terminal and in the browser at ``/_mail``::

    flask --app examples/quickstart.py run --debug

Send one mail without the page::

    python examples/quickstart.py --send ann@example.com

Set another backend in the environment: ``MAIL_BACKEND=file MAIL_FILE_PATH=mail``, with or without
Flask's prefix ``FLASK_``.
"""

from __future__ import annotations

import argparse
import os
import sys
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, render_template_string, request
from flask.typing import ResponseReturnValue

from flask_mail import DeliveryError, Mail, MailError, Message, MessageError, Receipt

mail = Mail()

HTML = """\
<p>Hello <strong>{{ name }}</strong>,</p>
<p>welcome. What to do first is in the attached file.</p>
"""

FIRST_STEPS = """\
1. Read this mail.
2. Set MAIL_BACKEND=smtp and MAIL_SERVER.
3. Send the next one to yourself.
"""

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Welcome</title>
<style>
:root { color-scheme: light dark; --accent: #0b62c4; --bad: #b3261e; --good: #1b7f3b }
@media (prefers-color-scheme: dark) {
  :root { --accent: #7ab8ff; --bad: #ff8a80; --good: #7bd88f }
}
body { font: 1.0625rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 12vh auto;
       padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 0 1rem }
label { display: block; font-weight: 600; margin-top: 1rem }
input { box-sizing: border-box; width: 100%; padding: .5rem .625rem; font: inherit;
        border: 1px solid #8888; border-radius: .375rem }
button { margin-top: 1.5rem; padding: .5rem 1.25rem; font: inherit; font-weight: 600;
         color: Canvas; background: var(--accent); border: 0; border-radius: .375rem }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
[role] { border-left: .25rem solid; padding: .25rem .75rem; overflow-wrap: anywhere }
[role=alert] { color: var(--bad) }
[role=status] { color: var(--good) }
</style>
</head>
<body>
<main>
<h1>Send a welcome mail</h1>
{% if error %}<p role="alert" id="error">{{ error }}</p>{% endif %}
{% if sent_to %}<p role="status">A welcome mail is on its way to {{ sent_to }}.</p>{% endif %}
<form method="post">
<label for="name">Name</label>
<input id="name" name="name" value="{{ name }}" autocomplete="name" required>
<label for="address">Address</label>
<input id="address" name="address" type="email" value="{{ address }}" autocomplete="email" required
       {%- if error %} aria-invalid="true" aria-describedby="error"{% endif %}>
<button>Send</button>
</form>
</main>
</body>
</html>
"""


def create_app() -> Flask:
    """Return the app; ``flask --app examples/quickstart.py`` calls this."""
    app = Flask(__name__)
    app.config.update(MAIL_BACKEND="console", MAIL_DEFAULT_SENDER="Quickstart <hello@example.com>")
    app.config.update({k: v for k, v in os.environ.items() if k.startswith("MAIL_") and v})
    app.config.from_prefixed_env()
    mail.init_app(app)
    app.add_url_rule("/", view_func=welcome, methods=["GET", "POST"])
    return app


def welcome() -> ResponseReturnValue:
    """Show the form; on POST, send the mail."""
    if request.method == "GET":
        return render_template_string(PAGE)
    # Browsers name the page that a form comes from, so no other site can send one in their name.
    if urlsplit(request.headers.get("Origin", request.host_url)).netloc != request.host:
        abort(403)
    name, address = request.form.get("name", ""), request.form.get("address", "")
    form = {"name": name, "address": address}
    try:
        send_welcome(name, address)
    except MessageError as error:  # such as an invalid address; nothing was sent
        return render_template_string(PAGE, **form, error=error), 422
    except DeliveryError as error:  # refused, not sent or unknown: error.receipt.outcome
        current_app.logger.warning("%s", error)  # names the server, so not for visitors
        sorry = "Sorry, the mail server has not confirmed your mail."
        return render_template_string(PAGE, **form, error=sorry), 502
    return render_template_string(PAGE, sent_to=address)


def send_welcome(name: str, address: str) -> Receipt:
    """Send a welcome mail with text, HTML and an attachment."""
    message = Message("Welcome", recipients=[(name, address)])
    message.body = f"Hello {name},\n\nwelcome. What to do first is in the attached file.\n"
    message.html = render_template_string(HTML, name=name)  # escapes the name
    message.attach("first-steps.txt", "text/plain", FIRST_STEPS)
    return mail.send(message)


def main() -> None:
    """Serve the page, or send one mail with ``--send``."""
    parser = argparse.ArgumentParser(description="Serve a page that sends a welcome mail.")
    parser.add_argument(
        "--send", metavar="ADDRESS", nargs="?", const="ann@example.com", help="send one, and end"
    )
    address = parser.parse_args().send
    app = create_app()
    if address is None:
        app.run()
        return
    with app.app_context():
        try:
            receipt = send_welcome("Ann", address)
        except MailError as error:
            sys.exit(str(error))
    print(f"{receipt.outcome.value} by the {receipt.backend} backend")


if __name__ == "__main__":
    main()
