"""A mail server that takes ten seconds to accept a message: time enough to kill the worker."""

from __future__ import annotations

import asyncio

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

PORT = 2525
SECONDS = 10


class SlowServer:
    """An aiosmtpd handler that prints what it gets, and what it accepts."""

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        recipients = ", ".join(envelope.rcpt_tos)
        print(f"a message to {recipients} ...", flush=True)
        await asyncio.sleep(SECONDS)
        print(f"a message to {recipients}: accepted", flush=True)
        return "250 2.0.0 accepted"


def main() -> None:
    controller = Controller(SlowServer(), hostname="127.0.0.1", port=PORT)
    controller.start()
    print(f"smtp://127.0.0.1:{PORT}", flush=True)
    try:
        asyncio.run(asyncio.Event().wait())  # until Ctrl-C
    except KeyboardInterrupt:
        controller.stop()


if __name__ == "__main__":
    main()
