"""The test kit: what programs that send mail use in their tests."""

from typing import TYPE_CHECKING, Any

from ..message.lint import Advice, lint
from .content import code, links
from .outbox import Outbox
from .scope import OutboxNotKnown
from .unittest import MailTestMixin

if TYPE_CHECKING:
    from .contract import BackendContract

__all__ = [
    "Advice",
    "BackendContract",
    "MailTestMixin",
    "Outbox",
    "OutboxNotKnown",
    "code",
    "links",
    "lint",
]


def __getattr__(name: str) -> Any:
    # It needs pytest, which unittest's users may not have.
    if name == "BackendContract":
        from .contract import BackendContract

        return BackendContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
