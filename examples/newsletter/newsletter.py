"""A shop that sends orders over two servers, and its newsletter slowly over one of them."""

from __future__ import annotations

import socket
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from flask import Flask

from flask_mail import Mail, Receipt

mail = Mail()

SUBSCRIBERS = ["ann@example.com", "bob@example.com", "cem@example.com", "dora@example.com"]


def new_key() -> str:
    """Return a new private key in PEM form.

    So that the example runs. A real key is made once, and DNS has its public part.
    """
    return (
        ed25519.Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


SIGNED = {"BACKEND": "dkim", "DOMAIN": "shop.example", "SELECTOR": "s1", "KEY": new_key}


def create_app(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config["MAIL_DEFAULT_SENDER"] = ("The Teapot Shop", "shop@shop.example")
    app.config["MAIL_MAILERS"] = {
        # mail.send() chooses by the tags of each message.
        "default": {
            "BACKEND": "routes",
            "RULES": [{"tag": "news", "mailer": "slow"}, {"mailer": "safe"}],
        },
        # Orders must arrive: if one server is down, the other one gets them.
        "safe": {"BACKEND": "failover", "MAILERS": ["first", "second"]},
        # Newsletters may wait, and must not use up what the provider allows.
        "slow": {"BACKEND": "throttle", "MAILER": "second", "RATE": "50/second"},
        "first": {"MAILER": "first-server", **SIGNED},
        "second": {"MAILER": "second-server", **SIGNED},
        "first-server": "smtp://localhost:1025",
        "second-server": "smtp://localhost:2025",
    }
    app.config.update(config)
    mail.init_app(app)
    return app


def confirm_order(address: str, number: int) -> Receipt:
    """Send the confirmation of an order."""
    message = mail.render("order", [address], subject=f"Your order {number}", number=number)
    return mail.send(message)


def send_newsletter(addresses: list[str]) -> list[Receipt]:
    """Send the newsletter, and return a receipt for each address."""
    return mail.send_many(
        mail.render("news", [each], subject="Teapots of the month", tags=["news"])
        for each in addresses
    )


# The rest runs it on servers of its own: python newsletter.py


class PrintingServer:
    """An aiosmtpd handler that prints each message that it accepts."""

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = (envelope.content or b"").decode()  # type: ignore[union-attr]
        signed = "signed" if "DKIM-Signature:" in content else "not signed"
        print(f"  second server: a message to {', '.join(envelope.rcpt_tos)}, {signed}")
        return "250 2.0.0 accepted"


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def main() -> None:
    controller = Controller(PrintingServer(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        app = create_app()
        mailers = app.config["MAIL_MAILERS"]
        mailers["first-server"] = f"smtp://127.0.0.1:{free_port()}"
        mailers["second-server"] = f"smtp://127.0.0.1:{controller.port}"
        with app.app_context():
            print("An order, while the first server is down:")
            receipt = confirm_order("ann@example.com", 4711)
            print(f"  {receipt.outcome.value} by {receipt.mailer}")
            for each in receipt.earlier:
                print(f"  before that, {each.outcome.value} by {each.mailer}: {each.reason}")
            print("The newsletter:")
            receipts = send_newsletter(SUBSCRIBERS)
            print(f"  {sum(each.sent for each in receipts)} of {len(receipts)} sent")
        mail.close()
    finally:
        controller.stop()


if __name__ == "__main__":
    main()
