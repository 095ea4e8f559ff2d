"""A trial of the backends, step by step, without sending."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..backends.composite import Composite
from ..backends.values import ProbeStep
from .output import name_of

if TYPE_CHECKING:
    from ..address.parser import Address
    from ..extension.state import _Mail


@dataclass(frozen=True)
class Step:
    """A step of trying a mailer, or one of those that it is made of."""

    name: str
    status: str
    detail: str
    mailer: str | None = None
    """The mailer, if it is a part of the one that is tried."""


class Trials:
    """Tries backends, each only once, although several mailers may be made of it.

    :param sender: the default sender.
    """

    def __init__(self, state: _Mail, sender: Address | None) -> None:
        self._selection = state.selection
        self._sender = None if sender is None else sender.addr_spec
        self._tried: dict[Any, list[Step]] = {}

    def steps(self, reference: Any) -> list[Step]:
        """Build a backend and return the steps of its :meth:`Backend.probe`.

        Those of a queue, or another one that is made of others, are followed by their steps.

        :param reference: the mailer or the value that selects the backend, suppressed or not.
        """
        if reference not in self._tried:
            self._tried[reference] = list(self._steps(reference))
        return self._tried[reference]

    def _steps(self, reference: Any) -> Iterator[Step]:
        step = "build"
        found: list[Step] = []
        try:
            backend = self._selection.build(reference)
            yield Step("build", "ok", type(backend).__name__)
            step = "probe"
            # A composite would not name the child of a step, and try those it has in common again.
            composite = backend if isinstance(backend, Composite) else None
            probe = composite.own_steps if composite else backend.probe
            for each in probe(self._sender):
                found.append(_shown(each))
                yield found[-1]
            # A plugin tries its parts.
            is_whole = bool(found) and not (composite or backend.is_queue)
            parts = [] if is_whole else self._selection.parts(reference)
        except Exception as error:  # noqa: BLE001 (a plugin may raise anything)
            yield Step(step, "failed", str(error) or type(error).__name__)
            return
        for part in dict.fromkeys(parts):
            tried = [own for own in self.steps(part) if (own.name, own.status) != ("build", "ok")]
            for one in tried:
                step_of_part = replace(one, mailer=one.mailer or name_of(part))
                if step_of_part not in found:  # mailers may have parts in common
                    found.append(step_of_part)
                    yield step_of_part
        if not found:
            detail = f"the {backend.name} backend has no connection to test"
            yield Step("connect", "skipped", detail)


def _shown(step: ProbeStep) -> Step:
    return Step(step.name, step.status, step.detail)
