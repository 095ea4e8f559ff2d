"""A backend supports the features that it declares, and refuses the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ... import MailError, Message, UnsupportedFeature
from ...backends import Backend, Feature
from .data import RECIPIENT, Delivered, attached, hello
from .fixtures import Fixtures
from .helpers import must_arrive, must_refuse, parsed, send

# A feature -> a message that asks for it, and the envelope sender.
_ASKING: Mapping[Feature, tuple[Callable[[], Message], str | None]] = {
    Feature.ATTACHMENTS: (attached, None),
    Feature.ATTACHMENT_HEADERS: (lambda: attached(headers={"X-Note": "one"}), None),
    Feature.ALTERNATIVES: (lambda: hello(alts={"calendar": "BEGIN:VCALENDAR"}), None),
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
    """A backend supports the features that it declares, and refuses the others."""

    @pytest.mark.parametrize("feature", _ASKING, ids=lambda each: each.name.lower())
    def test_what_it_cannot_do_is_refused_and_what_it_can_is_not(
        self, backend: Backend[Any], delivered: Delivered | None, feature: Feature
    ) -> None:
        """A feature that is not in `features` raises an error and is never dropped silently."""
        make, envelope_from = _ASKING[feature]
        message = make()
        if feature not in backend.features:
            error = must_refuse(
                backend, message, f"the unsupported feature {feature}", envelope_from=envelope_from
            )
            assert isinstance(error, UnsupportedFeature), (
                f"{feature} is not supported: this must raise UnsupportedFeature, not {error!r}."
            )
            assert backend.name in str(error), f"The error should name the backend: {error}"
            must_arrive(delivered, 0)
            return
        try:
            send(backend, message, None, envelope_from)
        except MailError as error:
            # The server may not support these.
            assert feature in (Feature.DELIVERY_OPTIONS, Feature.UNICODE_ADDRESSES), (
                f"`features` contains {feature}, but it raises {error!r}."
            )
            must_arrive(delivered, 0)
        else:
            # Files and envelopes have their own tests; tags and metadata are not in the content.
            for _, content in must_arrive(delivered, 1):
                assert feature is not Feature.HEADERS or parsed(content)["X-Note"] == "one", (
                    "`features` contains HEADERS, but the added header did not arrive: remove"
                    " HEADERS from `features`."
                )

    def test_verbatim_content_arrives_byte_for_byte(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """`Feature.VERBATIM` promises that signatures survive; a server may prepend headers."""
        if Feature.VERBATIM not in backend.features:
            pytest.skip("The backend does not support Feature.VERBATIM.")
        message = hello(body="A long line: " + "word " * 60 + "\n.\nFrom here  \n\ttabs\n\n")
        send(backend, message, None, None)
        for _, content in must_arrive(delivered, 1):
            assert content.endswith(message.as_bytes()), (
                "`features` contains VERBATIM, but other octets arrived than those of the message:"
                " deliver `mail.content` as it is, or remove VERBATIM from `features`."
            )

    def test_its_class_declares_what_any_of_its_instances_can(self, backend: Backend[Any]) -> None:
        """In tests, when locmem replaces a backend, only its class is known."""
        cls = type(backend)
        more = [each for each in Feature if each in backend.features and each not in cls.features]
        assert not more, (
            f"`features` of an instance contains {', '.join(map(str, more))}, but that of its class"
            " does not: tests would refuse supported messages."
        )
        for name in ("max_size", "max_recipients"):
            most, own = getattr(cls, name), getattr(backend, name)
            assert most is None or (own is not None and own <= most), (
                f"`{name}` is {own} for an instance, but {most} for its class: tests would refuse"
                " supported messages."
            )

    def test_more_recipients_than_it_takes_are_refused(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """`max_recipients` is accepted, and more are refused."""
        most = backend.max_recipients
        recipients = [RECIPIENT, *(f"r{number}@example.com" for number in range(most or 1))]
        if most is None:
            self._must_send(backend, hello(recipients=recipients))
            return
        error = must_refuse(backend, hello(recipients=recipients), f"{most + 1} recipients")
        assert isinstance(error, UnsupportedFeature), (
            f"Too many recipients must raise UnsupportedFeature, not {error!r}."
        )
        must_arrive(delivered, 0)
        self._must_send(backend, hello(recipients=recipients[:most]))

    def test_options_for_other_backends_are_ignored(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """A message may have options for several backends."""
        self._must_send(backend, hello(options={f"no{backend.name}": {_NO_OPTION: "v4lue"}}))
        must_arrive(delivered, 1)

    def test_an_unknown_option_of_a_message_is_refused(
        self, backend: Backend[Any], delivered: Delivered | None
    ) -> None:
        """An unknown option in `message.options` raises an error with its name, not its value."""
        error = must_refuse(
            backend,
            hello(options={backend.name: {_NO_OPTION: "v4lue"}}),
            f"the unknown message.options[{backend.name!r}][{_NO_OPTION!r}]",
        )
        assert _NO_OPTION in str(error), f"The error should name the option; it is: {error}"
        assert "v4lue" not in str(error), f"The error shows the value: {error}"
        must_arrive(delivered, 0)
