"""Any message, read by two readers that share no code, is what was put into it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from messages import Draft, drafts
from readers import READERS
from reading import PATIENT

pytestmark = pytest.mark.exhaustive


@settings(PATIENT, max_examples=60)
@given(drafts())
def test_any_message_is_read_as_it_was_written(draft: Draft) -> None:
    content = draft.message().as_bytes()

    for read in READERS:
        assert read(content) == draft.read()
