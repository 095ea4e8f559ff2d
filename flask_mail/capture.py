"""Who takes messages in place of the backend that should deliver them: the outbox of a test.

The core knows no tests. It asks here, and :mod:`flask_mail.testing` answers once it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backends.base import Backend

    # Any: the Selection that asks, and the value of MAIL_BACKEND that it would build.
    Capture = Callable[[Any, Any], "Backend[Any] | None"]

instead: Capture | None = None
