"""The test kit for programs that send mail."""

from typing import TYPE_CHECKING, Any

from ..message.finding import Finding
from ..message.lint import lint
from .content import find_code, find_links
from .outbox import Outbox
from .scope import AmbiguousOutbox
from .unittest import MailTestMixin

if TYPE_CHECKING:
    from .contract import BackendContract

__all__ = [
    "AmbiguousOutbox",
    "BackendContract",
    "Finding",
    "MailTestMixin",
    "Outbox",
    "find_code",
    "find_links",
    "lint",
]


def __getattr__(name: str) -> Any:
    # It needs pytest, which is not installed for every user of unittest.
    if name == "BackendContract":
        from .contract import BackendContract

        return BackendContract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
