"""Recent messages of the console backend, which an app with an inbox keeps in memory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from .. import _context
from .values import Kept, StoredMessage

if TYPE_CHECKING:
    from ..delivery.recent import Delivered, Recent


def recent_messages() -> list[Kept] | None:
    """Return the recent messages of the current app, oldest first; ``None`` without an inbox."""
    # In the state of the app, to survive a change of options, which builds another backend.
    recent: Recent | None = getattr(_context.current_state(), "recent", None)
    if recent is None:
        return None
    return [
        Kept(each.id, each.moment, partial(_read, recent, each), partial(recent.forget, [each.id]))
        for each in recent.all()
    ]


def _read(recent: Recent, wanted: Delivered) -> StoredMessage | None:
    if not any(each is wanted for each in recent.all()):
        return None
    error = ""
    if wanted.content is None:
        error = (
            f"This message has {wanted.size / 2**20:.0f} MiB, too many to be kept: the file backend"
            " keeps such messages."
        )
    return StoredMessage(
        wanted.content or b"",
        wanted.envelope,
        wanted.tags,
        wanted.metadata,
        wanted.size,
        error,
        wanted.mailer,
    )
