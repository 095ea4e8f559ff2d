"""Patterns that are compiled on first use."""

from __future__ import annotations

import re

import pytest

from flask_mail.util.patterns import lazy_pattern


def test_a_lazy_pattern_is_compiled_once_and_only_when_used(monkeypatch: pytest.MonkeyPatch):
    compiled = []
    compile_pattern = re.compile
    monkeypatch.setattr(
        re, "compile", lambda *given: compiled.append(given) or compile_pattern(*given)
    )

    words = lazy_pattern("[a-z]+", re.IGNORECASE)
    assert (words.pattern, compiled) == ("[a-z]+", [])
    assert words.findall("Ab c") == ["Ab", "c"]
    assert words.findall("d") == ["d"]
    assert compiled == [("[a-z]+", re.IGNORECASE)]


def test_a_lazy_pattern_may_be_of_octets():
    assert lazy_pattern(rb"\d").sub(b"", b"a1") == b"a"
