"""The test kit: what programs that send mail use in their tests."""

from ..lint import Advice, lint
from .cases import MailTestMixin
from .contents import code, links
from .outbox import Outbox
from .scopes import OutboxNotKnown

__all__ = [
    "Advice",
    "MailTestMixin",
    "Outbox",
    "OutboxNotKnown",
    "code",
    "links",
    "lint",
]
