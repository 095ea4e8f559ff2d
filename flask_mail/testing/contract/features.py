"""What a backend declares that it can do, it does; what it cannot is an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ... import MailError, Message, UnsupportedFeature
from ...backends import Backend, Feature
from .data import RECIPIENT, Delivered, attached, hello
from .fixtures import Fixtures
from .helpers import must_arrive, must_refuse, must_send, parsed, send

# A feature -> a message that asks for it, and the envelope sender.
_ASKING: Mapping[Feature, tuple[Callable[[], Message], str | None]] = {
    Feature.ATTACHMENTS: (attached, None),
    Feature.HEADERS: (lambda: hello(extra_headers={"X-Note": "one"}), None),
    Feature.ENVELOPE_SENDER: (hello, "bounces@example.com"),
    Feature.NO_BOUNCES: (hello, "<>"),
    Feature.UNICODE_ADDRESSES: (lambda: hello(recipients=["jörg@example.com"]), None),
    Feature.DELIVERY_OPTIONS: (lambda: hello(rcpt_options=["NOTIFY=NEVER"]), None),
    Feature.TAGS: (lambda: hello(tags=["welcome"]), None),
    Feature.METADATA: (lambda: hello(metadata={"order": "4711"}), None),
}
_NO_OPTION = "nosuchoption"


class Declaring(Fixtures):
    """What a backend declares that it can do, it does; what it cannot is an error."""

    @pytest.mark.parametrize("feature", Feature, ids=lambda each: each.name.lower())
    def test_what_it_cannot_do_is_refused_and_what_it_can_is_not(
        self, backend: Backend[Any], delivered: Delivered | None, feature: Feature
    ) -> None:
        """`features` says so; nothing that a message asks for is left out in silence."""
        make, envelope_from = _ASKING[feature]
        message = make()
        if feature not in backend.features:
            error = must_refuse(
                backend, message, f"what it cannot do, {feature}", envelope_from=envelope_from
            )
            assert isinstance(error, UnsupportedFeature), (
                f"Not to be able to do {feature} is an UnsupportedFeature; there is {error!r}."
            )
            assert backend.name in str(error), f"The error should name the backend: {error}"
            must_arrive(delivered, 0)
            return
        try:
            send(backend, message, None, envelope_from)
        except MailError as error:
            # What the server of today does not know, it says.
            assert feature in (Feature.DELIVERY_OPTIONS, Feature.UNICODE_ADDRESSES), (
                f"`features` names {feature}, and it raises {error!r}."
            )
            must_arrive(delivered, 0)
        else:
            # Files and envelopes have tests of their own; tags and metadata are not in the content.
            for _, content in must_arrive(delivered, 1):
                assert feature is not Feature.HEADERS or parsed(content)["X-Note"] == "one", (
                    "`features` names HEADERS, and what arrived has not the one that was added:"
                    " take it out of `features`, so that it is an error."
                )

    def test_its_class_declares_what_any_of_its_instances_can(self, backend: Backend[Any]) -> None:
        """Where another one stands in for it, in tests, only the class is there to be asked."""
        cls = type(backend)
        more = [each for each in Feature if each in backend.features and each not in cls.features]
        assert not more, (
            f"`features` of an instance has {', '.join(map(str, more))}, and that of its class has"
            " not: tests would refuse what it can do."
        )
        for name in ("max_size", "max_recipients"):
            most, own = getattr(cls, name), getattr(backend, name)
            assert most is None or (own is not None and own <= most), (
                f"`{name}` is {own} of an instance, and {most} of its class: tests would refuse"
                " what it can do."
            )

    def test_more_recipients_than_it_takes_are_refused(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """`max_recipients` is what it takes, and no more."""
        most = backend.max_recipients
        recipients = [RECIPIENT, *(f"r{number}@example.com" for number in range(most or 1))]
        if most is None:
            must_send(backend, hello(recipients=recipients))
            return
        error = must_refuse(backend, hello(recipients=recipients), f"{most + 1} recipients")
        assert isinstance(error, UnsupportedFeature), f"It raises {error!r} for too many."
        must_arrive(delivered, 0)
        must_send(backend, hello(recipients=recipients[:most]))

    def test_options_for_other_backends_are_ignored(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """A message may hold options for several backends, whichever of them sends it."""
        must_send(backend, hello(options={f"no{backend.name}": {_NO_OPTION: "v4lue"}}))
        must_arrive(delivered, 1)

    def test_an_unknown_option_of_a_message_is_refused(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """What is no option in `message.options` is an error that names it, and not its value."""
        error = must_refuse(
            backend,
            hello(options={backend.name: {_NO_OPTION: "v4lue"}}),
            f"message.options[{backend.name!r}][{_NO_OPTION!r}], which is none,",
        )
        assert _NO_OPTION in str(error), f"The error should name the option; it is: {error}"
        assert "v4lue" not in str(error), f"The error shows the value: {error}"
        must_arrive(delivered, 0)
