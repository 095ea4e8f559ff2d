"""Assertions about sent messages, which wait for the threads of the test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, overload

from ..message.message import Message
from ..util.clocks import monotonic
from . import golden, report
from .matching import Criteria
from .sent import Sent

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..receipt import Receipt
    from .golden import Replacements
    from .matching import Expectations
    from .scope import Scope

__unittest = True  # unittest ends tracebacks before this module, as __tracebackhide__ does

T = TypeVar("T")

_PATIENCE: Final = 5.0
"""Seconds to wait for threads of the test to send an expected message."""
_GRACE: Final = 1.0
"""Seconds to wait for threads of the test to end before nothing was sent."""
_TICK: Final = 0.01
"""Seconds between two checks whether they have ended."""


class Assertions:
    """Mixin with the assertions of an outbox."""

    _folder: Path | None
    _sent: list[Sent]
    _failed: list[tuple[Message, Receipt]]
    _changed: threading.Condition
    _scope: Scope

    @overload
    def assert_sent(
        self, *, count: None = ..., within: float | None = ..., **expected: Unpack[Expectations]
    ) -> Message: ...
    @overload
    def assert_sent(
        self, *, count: int, within: float | None = ..., **expected: Unpack[Expectations]
    ) -> list[Message]: ...
    def assert_sent(
        self,
        *,
        count: int | None = None,
        within: float | None = None,
        **expected: Unpack[Expectations],
    ) -> Message | list[Message]:
        """Check that a matching message was sent; return the newest one.

        A str is an address, the whole subject or header, the name of an attachment, or part of the
        body or HTML. A compiled regular expression is searched for. A function gets the value, for
        an attachment the :class:`~flask_mail.Attachment`, and returns True if it matches.

        :param to: a recipient that is not in Cc or Bcc; a list for several.
        :param cc: a recipient in Cc.
        :param bcc: a recipient in Bcc.
        :param sender: the address in From.
        :param subject: the subject.
        :param body: the text.
        :param html: the HTML.
        :param attachment: one of the attachments.
        :param headers: name -> value of other headers.
        :param mailer: the name of the mailer that sent it.
        :param count: the exact number of such messages, which are then returned as a list.
        :param within: seconds to wait for it, as for a browser or a server. By default, up to five
            for threads that the test started.
        :raises AssertionError: no message matches, or not `count` of them; lists what was sent.
        """
        __tracebackhide__ = True
        criteria = Criteria(expected)
        found = self._await(
            lambda: self._matching(criteria),
            lambda matching: bool(matching) if count is None else len(matching) >= count > 0,
            _PATIENCE if within is None else within,
            lambda: within is not None or self._scope.is_busy(daemons=True),
        )
        if count is None and found:
            return found[-1]
        if count is not None and len(found) == count:
            return found
        raise self._failure(criteria, found, count)

    def assert_not_sent(self, **expected: Unpack[Expectations]) -> None:
        """Check that no matching message was sent; see :meth:`assert_sent`.

        Waits up to a second for threads that the test started, unless they are daemons.

        :raises AssertionError: a message matches; lists what was sent.
        """
        __tracebackhide__ = True
        criteria = Criteria(expected)
        found = self._unwanted(lambda: self._matching(criteria))
        if found:
            raise self._failure(criteria, found, 0)

    def assert_no_mail(self) -> None:
        """Check that nothing was sent; waits like :meth:`assert_not_sent`.

        :raises AssertionError: something was sent; lists it.
        """
        __tracebackhide__ = True
        if self._unwanted(lambda: list(self._sent)):
            raise AssertionError(f"No mail was expected.\n\n{self._everything()}")

    def assert_matches(
        self, name: str, message: Message | None = None, *, replace: Replacements | None = None
    ) -> None:
        """Compare a message with the file `name`, except for its date and Message-ID.

        ``pytest --mail-update`` rewrites the files. They are in the folder ``mail`` next to
        the test.

        :param message: a message of this outbox; default: the newest.
        :param replace: other values that change, such as a token in a link: a str or a compiled
            regular expression -> the text in the file.
        :raises AssertionError: the message differs, or the file does not exist yet.
        """
        __tracebackhide__ = True
        golden.check(self._newest(message), name, self._folder, replace)

    def _newest(self, message: Message | None = None) -> Sent:
        __tracebackhide__ = True
        for each in reversed(list(self._sent)):
            if message is None or each.message is message:
                return each
        if message is not None:
            raise ValueError("This message is not in this outbox: pass one of its messages.")
        raise AssertionError(self._everything())

    def _matching(self, criteria: Criteria) -> list[Message]:
        return [each.message for each in list(self._sent) if not criteria.misses(each)]

    def _unwanted(self, look: Callable[[], list[T]]) -> list[T]:
        """Poll until something is found or the threads of the test have ended."""
        return self._await(look, bool, _GRACE, lambda: self._scope.is_busy(daemons=False))

    def _await(
        self,
        look: Callable[[], list[T]],
        suffices: Callable[[list[T]], bool],
        seconds: float,
        expects_more: Callable[[], bool],
    ) -> list[T]:
        """Poll until the result suffices, nothing more is expected, or time is up."""
        end = monotonic() + seconds
        while True:
            # Checked first, so as not to miss a thread that sends and ends in between.
            goes_on = expects_more()
            found = look()
            left = end - monotonic()
            if suffices(found) or not goes_on or left <= 0:
                return found
            with self._changed:
                self._changed.wait(min(left, _TICK))

    def _failure(
        self, criteria: Criteria, found: list[Message], count: int | None
    ) -> AssertionError:
        problem = report.failure(criteria, list(self._sent), len(found), count)
        return AssertionError(f"{problem}\n\n{self._everything()}")

    def _everything(self) -> str:
        remarks = report.remarks([message for message, _ in self._failed], self._scope.notes)
        return "\n\n".join(filter(None, (report.table(list(self._sent)), remarks)))
