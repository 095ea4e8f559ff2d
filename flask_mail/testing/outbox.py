"""Outbox: the messages that were sent during a test, and what it says about them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from ..backends.locmem import LocmemBackend
from ..delivery.copies import copy_of
from ..message.fields import Delivered
from ..message.message import Message
from ..receipt import Refusal
from ..util.clocks import monotonic
from . import golden, report
from .backends import OutboxBackend
from .failures import Faults
from .matching import Criteria, Sent, key_of, keys_of, listed
from .scope import HEADER, Scope

if TYPE_CHECKING:
    import re
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from ..backends.base import Backend
    from ..delivery.outgoing import Outgoing
    from ..extension.mailers import Selection
    from ..receipt import Receipt
    from .golden import Replacements
    from .matching import Expectations

__unittest = True  # unittest ends tracebacks before this module, as __tracebackhide__ does

T = TypeVar("T")

_PATIENCE: Final = 5.0
"""Seconds that threads which the test has started have to send what an assertion looks for."""
_GRACE: Final = 1.0
"""Seconds that they have to end before an assertion says that nothing was sent."""
_TICK: Final = 0.01
"""Seconds between two looks at whether they have ended."""


class Outbox(Sequence[Message]):
    """The messages that were sent while it was in use, in order; no mail leaves meanwhile.

    The fixture ``outbox`` gives one to a test with pytest. Elsewhere: ``with Outbox() as outbox:``.
    Whatever backend the app configures, messages are checked and rendered, signals are sent, and
    the copy of each message comes here. Later changes of a message do not reach its copy, and
    ``copy.envelope`` tells whom it went to.

    :param folder: where :meth:`assert_matches` has its files.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._sent: list[Sent] = []
        self._failed: list[Message] = []
        self._faults = Faults()
        self._changed = threading.Condition()
        self._backends: dict[tuple[Selection, LocmemBackend | None], OutboxBackend] = {}
        self._scope = Scope(self._backend)

    def __enter__(self) -> Self:
        self._scope.open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._scope.close()

    # ------------------------------------------------------------------ what was sent

    def __len__(self) -> int:
        return len(self._sent)

    def __iter__(self) -> Iterator[Message]:
        return iter([each.message for each in list(self._sent)])

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (list, tuple, Outbox)):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        subjects = listed([str(each.subject) for each in self])
        return f"<Outbox: {report.counted(len(self))} sent{f': {subjects}' if subjects else ''}>"

    @property
    def last(self) -> Message:
        """The newest message.

        :raises AssertionError: nothing was sent.
        """
        __tracebackhide__ = True
        return self._newest().message

    @property
    def receipts(self) -> list[Receipt]:
        """The receipts of the messages, in the same order."""
        return [each.receipt for each in list(self._sent)]

    @property
    def failed(self) -> list[Message]:
        """Copies of the messages that failed because the test wanted it."""
        return list(self._failed)

    @property
    def headers(self) -> dict[str, str]:
        """The header by which requests to a server tell that their mail belongs here.

        Needed only where several tests run at the same time and share a server.
        """
        return {HEADER: self._scope.token}

    def to(self, address: str | tuple[str, str]) -> list[Message]:
        """Return the messages that went to an address: as To, Cc or Bcc."""
        key = key_of(address)
        return [
            each.message for each in list(self._sent) if key in keys_of(each.envelope.recipients)
        ]

    def clear(self) -> None:
        """Forget what was sent so far."""
        with self._changed:
            self._sent.clear()
            self._failed.clear()

    # ------------------------------------------------------------------ assertions

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
        """Check that a message was sent that is as expected; return the newest such message.

        A str is an address, the whole subject or header, the name of an attachment, or some of the
        body or HTML. A compiled regular expression is searched for. A function is given the value,
        for an attachment the :class:`~flask_mail.Attachment`, and returns whether it is right.

        :param to: an address that it went to, other than as Cc or Bcc; a list for several.
        :param cc: an address that it went to as Cc.
        :param bcc: an address that it went to as Bcc.
        :param sender: the address in From.
        :param subject: the subject.
        :param body: the text.
        :param html: the HTML.
        :param attachment: one of the attachments.
        :param headers: name -> value of other headers.
        :param count: how many such messages there must be; they are returned as a list then.
        :param within: seconds to wait for it, as for a browser or a server. By default, threads
            that the test has started get up to five.
        :raises AssertionError: there is none, or another number of them; shows what was sent.
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
        """Check that no message was sent that is as described; see :meth:`assert_sent`.

        Threads that the test has started get a second to end, unless they are daemons.

        :raises AssertionError: there is one; shows what was sent.
        """
        __tracebackhide__ = True
        criteria = Criteria(expected)
        found = self._unwanted(lambda: self._matching(criteria))
        if found:
            raise self._failure(criteria, found, 0)

    def assert_no_mail(self) -> None:
        """Check that nothing was sent at all; waits as :meth:`assert_not_sent` does.

        :raises AssertionError: something was; shows it.
        """
        __tracebackhide__ = True
        if self._unwanted(lambda: list(self._sent)):
            raise AssertionError(f"No mail was expected.\n\n{self._everything()}")

    def assert_matches(
        self, name: str, message: Message | None = None, *, replace: Replacements | None = None
    ) -> None:
        """Check that a message is what the file `name` shows, but for its date and Message-ID.

        ``pytest --mail-update`` writes the files anew. They are in the folder ``mail`` beside the
        test.

        :param message: one of this outbox; the newest by default.
        :param replace: what else differs each time, such as a token in a link: a str or a compiled
            regular expression -> what the file shows in its place.
        :raises AssertionError: the message is another one, or there is no such file yet.
        """
        __tracebackhide__ = True
        golden.check(self._newest(message), name, self._folder, replace)

    # ------------------------------------------------------------------ failures on demand

    def fail_next(self, error: Exception | type[Exception], *, times: int | None = 1) -> None:
        """Let the next message fail with `error`, as a backend raises it.

        :param times: so many messages; ``None``: every one until :meth:`recover`.
        """
        self._faults.fail(error, times)

    def time_out(self, *, after_content: bool = False, times: int | None = 1) -> None:
        """Let the server be silent for the next message; nobody waits.

        The app gets the error of the smtp backend: a :class:`~flask_mail.BackendUnavailable` and
        ``TimeoutError``.

        :param after_content: be silent only once the message was sent as a whole: it may have been
            accepted, which is a :class:`~flask_mail.DeliveryUnknown`.
        :param times: as for :meth:`fail_next`.
        """
        self._faults.time_out(after_content=after_content, times=times)

    def refuse(
        self,
        recipient: str | re.Pattern[str],
        code: int = 550,
        text: str = "no such user",
        *,
        enhanced: str = "",
    ) -> None:
        """Refuse recipients from now on.

        A message that nobody may get raises what the smtp backend raises: a
        :class:`~flask_mail.MessageRefused`, or a :class:`~flask_mail.BackendUnavailable` where
        every code is 4xx. Others go to the rest, and their receipts name who was refused.

        :param recipient: an address, one with ``*`` and ``?`` in it, or a regular expression.
        :param code: the reply code; 4xx: for now, 5xx: for good.
        :param enhanced: the enhanced status code, such as ``"5.1.1"``.
        """
        self._faults.refuse(recipient, Refusal(code, enhanced, text))

    def recover(self) -> None:
        """Take every message again."""
        self._faults.clear()

    # ------------------------------------------------------------------

    def _backend(self, selection: Selection, chosen: Any) -> Backend[Any]:
        own: LocmemBackend | None = None
        cls = selection.backend_class(chosen)
        if issubclass(cls, LocmemBackend):
            own = selection.build(chosen)  # type: ignore[assignment]
        with self._changed:
            made = OutboxBackend(self._judge, self._keep, own)
            # One for each app, whose settings say whom mail may reach.
            return self._backends.setdefault((selection, own), made)

    def _judge(self, mail: Outgoing) -> Mapping[str, Refusal]:
        try:
            return self._faults.judge(mail)
        except Exception:
            self._failed.append(copy_of(mail))
            raise

    def _keep(self, copy: Message, receipt: Receipt, mail: Outgoing) -> None:
        delivered: Delivered = vars(copy)["as_bytes"]
        with self._changed:
            self._sent.append(Sent(copy, receipt, delivered.octets, mail.envelope))
            self._changed.notify_all()

    def _newest(self, message: Message | None = None) -> Sent:
        __tracebackhide__ = True
        for each in reversed(list(self._sent)):
            if message is None or each.message is message:
                return each
        if message is not None:
            raise ValueError("This message is none of this outbox: give one that is in it.")
        raise AssertionError(self._everything())

    def _matching(self, criteria: Criteria) -> list[Message]:
        return [each.message for each in list(self._sent) if not criteria.misses(each)]

    def _unwanted(self, look: Callable[[], list[T]]) -> list[T]:
        """Look until something is found or the threads of the test have ended."""
        return self._await(look, bool, _GRACE, lambda: self._scope.is_busy(daemons=False))

    def _await(
        self,
        look: Callable[[], list[T]],
        suffices: Callable[[list[T]], bool],
        seconds: float,
        expects_more: Callable[[], bool],
    ) -> list[T]:
        """Look until it suffices, or nothing more is to be expected, or time is up."""
        end = monotonic() + seconds
        while True:
            # Asked first, so that a thread which sends and ends in between is not missed.
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
        remarks = report.remarks(self._failed, self._scope.notes)
        return "\n\n".join(filter(None, (report.table(list(self._sent)), remarks)))
