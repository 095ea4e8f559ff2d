"""A trial of the backend, step by step, without sending."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..backends.values import ProbeStep

if TYPE_CHECKING:
    from ..address.parser import Address
    from ..extension.state import _Mail


def trial(state: _Mail, chosen: Any, sender: Address | None) -> Iterator[ProbeStep]:
    """Build a backend and yield the steps of its :meth:`Backend.probe`.

    :param chosen: the value that selects the backend, suppressed or not.
    """
    step = "build"
    has_steps = False
    try:
        backend = state.selection.build(chosen)
        yield ProbeStep("build", "ok", type(backend).__name__)
        step = "probe"
        for each in backend.probe(None if sender is None else sender.addr_spec):
            has_steps = True
            yield each
    except Exception as error:  # noqa: BLE001 (a plugin may raise anything)
        yield ProbeStep(step, "failed", str(error) or type(error).__name__)
        return
    if not has_steps:
        detail = f"the {backend.name} backend has no connection to test"
        yield ProbeStep("connect", "skipped", detail)
