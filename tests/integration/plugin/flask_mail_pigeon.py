"""Sends letters by pigeon."""

from pathlib import Path
from tempfile import NamedTemporaryFile

from flask_mail.backends import Backend, BackendUnavailable, Outgoing, Receipt


class PigeonBackend(Backend[None]):
    """Puts each message into a file of its own in a loft, for the next pigeon that leaves."""

    name = "pigeon"

    def __init__(self, *, loft: Path, ring: int = 0) -> None:
        self.loft = loft
        self.ring = ring

    def deliver(self, mail: Outgoing, session: None) -> Receipt:
        try:
            with NamedTemporaryFile(suffix=".letter", dir=self.loft, delete=False) as letter:
                letter.write(mail.content)
        except OSError as error:
            raise BackendUnavailable(f"MAIL_PIGEON_LOFT cannot be used: {error}.") from error
        return self.accepted(mail, response=f"pigeon {self.ring} takes it")
