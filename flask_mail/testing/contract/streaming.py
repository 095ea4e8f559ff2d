"""Tests of a backend that delivers in pieces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ...backends import Backend, Outgoing
from .data import Delivered, hello
from .fixtures import Fixtures
from .helpers import must_arrive, parsed, parts_of


class Streaming(Fixtures):
    """Tests of a backend that delivers in pieces; not part of :class:`BackendContract`."""

    def test_a_large_file_is_asked_for_in_pieces(
        self,
        backend: Backend[Any],
        delivered: Delivered | None,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The content is read from `blocks()`, never as a whole."""
        data = bytes(range(256)) * 12_000
        (tmp_path / "large.bin").write_bytes(data)
        message = hello()
        message.attach_file(tmp_path / "large.bin")
        asked: list[str] = []

        def watched(field: object, mail: Outgoing, owner: type[Outgoing]) -> bytes:
            asked.append("content")
            return bytes(mail.octets)

        monkeypatch.setattr(type(vars(Outgoing)["content"]), "__get__", watched)
        self._must_send(backend, message)
        assert not asked, "deliver() reads the whole content: use mail.blocks()."
        for _, content in must_arrive(delivered, 1):
            found = [each.get_payload(decode=True) for each in parts_of(parsed(content))]
            assert found == [data], "The attachment arrived changed, or not at all."
