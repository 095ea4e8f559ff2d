"""Options, apps, and secrets."""

from __future__ import annotations

import inspect
import logging
import pickle
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from ... import ConfigurationError, Mail
from ...backends import Backend, Secret
from .data import Delivered, hello
from .fixtures import Fixtures
from .helpers import build, make_app, must_arrive, must_fail, variables_of


class Configuring(Fixtures):
    """Options, apps, and secrets."""

    def test_an_unknown_option_is_refused(
        self, backend: Backend[Any], options: Mapping[str, Any]
    ) -> None:
        """An unknown setting raises an error with a suggestion, without its value."""
        cls = type(backend)
        known = [
            each.name
            for each in inspect.signature(cls).parameters.values()
            if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        ]
        for option in ("nosuchoption", *(f"{name}{name[-1]}" for name in known)):
            key = cls.setting_key(option)
            try:
                cls.from_options({**options, option: "v4lue"}, build)
            except ConfigurationError as caught:
                text = str(caught)
            else:
                pytest.fail(f"{key} is not an option of {cls.__name__}, but was accepted.")
            assert key in text, f"The error should name {key}: {text}"
            assert "v4lue" not in text, f"The error shows the value, which may be secret: {text}"
            assert option == "nosuchoption" or "did you mean" in text, (
                f"The error should suggest the right name for {key}: {text}"
            )

    def test_an_option_of_the_wrong_kind_is_refused(
        self, backend: Backend[Any], options: Mapping[str, Any]
    ) -> None:
        """A value of the wrong type raises an error with the setting, without the value."""
        cls = type(backend)
        for option, kind in _kinds(cls).items():
            key = cls.setting_key(option)
            try:
                cls.from_options({**options, option: ["v4lue"]}, build)
            except ConfigurationError as caught:
                text = str(caught)
            else:
                pytest.fail(f"{key} should be of type {kind.__name__}, but a list was accepted.")
            assert key in text, f"The error should name {key}: {text}"
            assert "v4lue" not in text, f"The error shows the value, which may be secret: {text}"

    def test_a_required_option_that_is_missing_is_named(
        self, backend: Backend[Any], options: Mapping[str, Any]
    ) -> None:
        """A missing required option raises an error that names the setting."""
        cls = type(backend)
        for name, parameter in inspect.signature(cls).parameters.items():
            is_required = parameter.default is parameter.empty
            if not is_required or parameter.kind is parameter.VAR_KEYWORD:
                continue
            key = cls.setting_key(name)
            others = {option: value for option, value in options.items() if option != name}
            try:
                cls.from_options(others, build)
            except ConfigurationError as caught:
                assert key in str(caught), f"The error should name {key}: {caught}"
            else:
                pytest.fail(f"{key} is required by {cls.__name__}, but was accepted as missing.")

    def test_it_is_built_from_the_settings_of_an_app(
        self, backend: Backend[Any], options: Mapping[str, Any]
    ) -> None:
        """Two apps in one process have separate backends and sessions."""
        cls = type(backend)
        settings = {cls.setting_key(name): value for name, value in options.items()}
        mails = [
            Mail(make_app(MAIL_BACKEND=cls, MAIL_SUPPRESS_SEND=False, **settings)) for _ in range(2)
        ]
        with mails[0].connect() as connection:
            with mails[1].connect() as other:
                receipts = [connection.send(hello()), other.send(hello())]
            receipts.append(connection.send(hello()))
        receipts.append(mails[1].send(hello()))
        found = [(each.backend, each.outcome) for each in receipts]
        assert all(
            each.outcome is self.taken and each.backend in self._names(backend) for each in receipts
        ), f"The outcomes were {found}."

    def test_an_app_uses_it_except_in_tests(
        self,
        backend: Backend[Any],
        delivered: Delivered | None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Mail of an app arrives, except from an external backend under `TESTING`."""
        monkeypatch.setattr(type(backend), "from_options", lambda *_: backend)
        app = make_app(MAIL_BACKEND=type(backend))
        mail = Mail(app)
        own = self._names(backend)
        receipt = mail.send(hello())
        assert receipt.outcome is self.taken, f"{receipt}"
        assert receipt.backend in own, (
            f"MAIL_BACKEND is this class, but {receipt.backend!r} was used."
        )
        must_arrive(delivered, 1)
        app.config["TESTING"] = True
        receipt = mail.send(hello())
        expected = ("locmem",) if backend.external else own
        assert receipt.backend in expected, (
            f"Under TESTING {expected[0]!r} should deliver the message, not {receipt.backend!r}."
        )
        must_arrive(delivered, 1 if backend.external else 2)
        app.config["MAIL_SUPPRESS_SEND"] = False
        receipt = mail.send(hello())
        assert receipt.backend in own, (
            f"With MAIL_SUPPRESS_SEND=False {own[0]!r} should deliver the message, even in"
            f" tests, not {receipt.backend!r}."
        )
        must_arrive(delivered, 2 if backend.external else 3)

    def test_no_secret_shows(
        self,
        backend: Backend[Any],
        secrets: Iterable[str],
        failing: Backend[Any] | None,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Secrets are not in reprs, receipts, logs, errors, pickles or traceback frames."""
        caplog.set_level(logging.DEBUG)
        shown = {"the repr": repr(backend), "the str": str(backend)}
        receipt = self._must_send(backend, hello())
        shown["the receipt"] = f"{receipt!r} {receipt.response}"
        if failing is not None:
            error = must_fail(failing, hello())
            shown["an error"] = f"{error} {error!r} {vars(error)}"
            shown["a variable of a frame of its traceback"] = variables_of(error)
            shown["a pickled error"] = pickle.dumps(error, 0).decode("ascii")
        shown["a pickled receipt"] = pickle.dumps(receipt, 0).decode("ascii")
        shown["the log"] = caplog.text
        for secret in secrets:
            for place, text in shown.items():
                assert secret not in text, f"A secret is visible in {place} of {backend.name}."


def _kinds(cls: type[Backend[Any]]) -> dict[str, type]:
    """Return the options of a backend that are annotated with a single type."""
    try:
        annotated = typing.get_type_hints(cls.__init__)
    except Exception:  # noqa: BLE001 (annotations that only a type checker can resolve)
        return {}
    kinds: dict[str, type] = {}
    for name in inspect.signature(cls).parameters:
        choices = typing.get_args(annotated.get(name)) or (annotated.get(name),)
        (kind, *others) = [each for each in choices if each is not type(None)] or [None]
        if kind in (bool, int, float, str, Secret) and not others:
            kinds[name] = kind
    return kinds
