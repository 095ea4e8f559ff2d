"""The dkim backend: signs messages, and delivers them by another mailer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from ..address.domain import domain_to_ascii
from ..config.converters import to_positive
from ..config.table import convert
from ..errors import ConfigurationError, MessageError
from ..mime.content import Content
from ..mime.dkim import (
    BodyHash,
    Fields,
    data_to_sign,
    names_to_sign,
    read_fields,
    signed_field,
    unsigned_field,
)
from ..mime.fields import parse_mailboxes
from ..receipt import Receipt
from ..util.secret import Secret  # annotates an option
from .base import Backend
from .composite import Composite, part_of
from .dkim_keys import SigningKey, read_keys
from .features import Feature
from .options import key_of_option, read_options
from .sessions import Sessions
from .values import ProbeStep

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..delivery.outgoing import Outgoing
    from .values import DkimRecord

_SHOWN: Final = 5
"""Number of domains that `flask mail check` names."""


class DkimBackend(Composite):
    """Adds DKIM signatures (RFC 6376, RFC 8463), and delivers by another mailer.

    :param mailer: the mailer or backend that delivers; it must deliver messages byte for byte.
    :param domain: the domain that signs mail from itself and its subdomains.
    :param selector: the name of the key in DNS: ``<selector>._domainkey.<domain>``.
    :param key: the private key in PEM form, or the path of its file.
    :param domains: several domains, each with ``SELECTOR`` and ``KEY``, or a list of these;
        instead of the three options above.
    :param align: False to sign mail from other domains too, by the first domain. DMARC does not
        count such a signature.
    :param missing: for mail from other domains: ``"refuse"`` or ``"pass"``, without a signature.
    :param expires: seconds after which receivers shall not accept the signature; default: none.
    """

    name = "dkim"
    requires: ClassVar[Mapping[str, str]] = {"cryptography": '"path/to/flask-mail[dkim]"'}

    def __init__(
        self,
        *,
        mailer: Backend[Any],
        domain: str | None = None,
        selector: str | None = None,
        key: Secret | None = None,
        domains: Mapping[str, Any] | None = None,
        align: bool = True,
        missing: Literal["refuse", "pass"] = "refuse",
        expires: int | None = None,
    ) -> None:
        super().__init__([mailer])
        self.child = mailer
        self._options = domain, selector, key, domains
        self._align = align
        self._missing = missing
        self._expires = expires
        self._keys: dict[str, list[SigningKey]] = {}

    @classmethod
    def parts(cls, options: Mapping[str, Any]) -> Sequence[Any]:
        return part_of(cls, options)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], build: Callable[[str], Backend[Any]]) -> Self:
        setting = key_of_option(cls, options)
        given = read_options(cls, setting, options)
        if "expires" in given:
            given["expires"] = convert(
                setting("expires"), to_positive, given["expires"], secret=False
            )
        backend = cls(**{**given, "mailer": build(given["mailer"])})
        backend.bind(app=None, mailer="", key_of=setting)
        backend.keys()
        return backend

    def keys(self) -> Mapping[str, list[SigningKey]]:
        """Return the keys of each domain, which are read once.

        :raises ConfigurationError: one is missing or cannot be used, or the mailer may change
            messages.
        """
        if Feature.VERBATIM not in self.child.features:
            raise ConfigurationError(
                f"{self.setting('mailer')} cannot be {self.child.mailer or self.child.name!r}: the"
                f" {self.child.name} backend does not deliver messages byte for byte, so signatures"
                " would not be valid. Let its service sign, or use another mailer."
            )
        if not self._keys:
            self._keys = read_keys(*self._options, self.setting)
        return self._keys

    def deliver(self, mail: Outgoing, session: Sessions) -> Receipt:
        ready = self._ready(mail)
        return ready if isinstance(ready, Receipt) else session.attempt(self.child, ready)

    def deliver_many(self, mails: Iterable[Outgoing], session: Sessions) -> Iterator[Receipt]:
        """Deliver by the `deliver_many` of the other mailer, which may save round trips."""
        return session.deliver_many(self.child, map(self._ready, mails))

    def _ready(self, mail: Outgoing) -> Outgoing | Receipt:
        try:
            return self.signed(mail)
        except Exception as error:  # noqa: BLE001 (reported by the receipt)
            return self.receipt_of(error, mail, handed_over=False)

    def signed(self, mail: Outgoing) -> Outgoing:
        """Return a message with a signature of each key of its domain.

        :raises MessageError: no key is for its domain, or an attached file is gone or has changed.
        :raises ConfigurationError: it cannot be signed.
        """
        keys = self.keys()
        octets = _in_seven_bits(mail.octets)
        header, body_hash = _read(octets)
        fields = read_fields(header)
        domain = _domain_of(fields)
        signing = self._signing(domain)
        if signing is None:
            if self._missing == "pass":
                return mail
            raise MessageError(self._no_key(domain))
        signatures = b"".join(
            [_signature(key, fields, body_hash, self._expires) for key in keys[signing]]
        )
        return mail.with_octets(
            signatures + octets
            if isinstance(octets, bytes)
            else Content((signatures, *octets.pieces))
        )

    def _signing(self, domain: str) -> str | None:
        """Return the domain that signs mail from `domain`, or ``None``."""
        keys = self.keys()
        signing = next((each for each in _with_parents(domain) if each in keys), None)
        return signing if signing is not None or self._align else next(iter(keys))

    def _no_key(self, domain: str) -> str:
        return (
            f"The dkim backend has no key for mail from {domain}: add one to"
            f' {self.setting("domains")}, or set {self.setting("missing")} to "pass" to send such'
            " mail without a signature."
        )

    def own_steps(self, sender: str | None) -> Iterator[ProbeStep]:
        """Yield the domains and keys that sign, or why mail of `sender` is not signed."""
        keys = self.keys()
        domain = domain_to_ascii(sender.rpartition("@")[2]).lower() if sender else ""
        signing = self._signing(domain) if domain else next(iter(keys))
        if signing is not None:
            # The one of the default sender first.
            names = list(dict.fromkeys([signing, *keys]))
            shown = [f"{name} by {' and '.join(map(str, keys[name]))}" for name in names[:_SHOWN]]
            more = len(names) - len(shown)
            text = f"{'; '.join(shown)}{f'; and {more} more domains' if more else ''}"
            yield ProbeStep("sign", "ok", text)
        elif self._missing == "refuse":
            yield ProbeStep("sign", "failed", self._no_key(domain))
        else:
            text = f"mail from {domain} is sent without a signature ({self.setting('missing')})"
            yield ProbeStep("sign", "skipped", text)

    def dkim_records(self) -> list[DkimRecord]:
        own = [key.record for keys in self.keys().values() for key in keys]
        return [*own, *super().dkim_records()]


def _in_seven_bits(octets: bytes | Content) -> bytes | Content:
    """Encode 8-bit text, as a server without 8BITMIME would need it after the message is signed.

    RFC 6376 section 5.3. Only attached messages, and content that a program has made, have any.
    """
    literal = octets if isinstance(octets, bytes) else octets.literal
    # The header is only of eight bits for SMTPUTF8, and remains so.
    if literal.isascii() or literal[literal.find(b"\r\n\r\n") :].isascii():
        return octets
    from ..mime.seven_bit import in_seven_bits

    return in_seven_bits(bytes(octets))


def _read(octets: bytes | Content) -> tuple[bytes, str]:
    """Return the header, and the hash of the body."""
    blocks = octets.blocks() if isinstance(octets, Content) else iter((octets,))
    header = b""
    end = -1
    for block in blocks:
        header += block
        end = header.find(b"\r\n\r\n")
        if end >= 0:
            break
    body_hash = BodyHash()
    if end >= 0:
        body_hash.update(header[end + 4 :])
        header = header[:end]
    for block in blocks:
        body_hash.update(block)
    return header, body_hash.finish()


def _domain_of(fields: Fields) -> str:
    """Return the domain in From, as receivers compare it with that of the signature (DMARC)."""
    found = [field for name, field in fields if name == "from"]
    if len(found) != 1:
        raise MessageError(
            f"The message has {len(found)} From fields, so it cannot be signed: it needs one."
        )
    text = found[0].decode("utf-8", "replace").partition(":")[2]
    domains = {each.domain.lower() for each in parse_mailboxes(text, "From")}
    if len(domains) != 1:
        raise MessageError(
            "From has addresses of several domains, so the message cannot be signed: use one."
        )
    return domains.pop()


def _with_parents(domain: str) -> Iterator[str]:
    """Yield a domain and those above it, but no top-level one, which is aligned with none."""
    yield domain
    labels = domain.split(".")
    for start in range(1, len(labels) - 1):
        yield ".".join(labels[start:])


def _signature(key: SigningKey, fields: Fields, body_hash: str, expires: int | None) -> bytes:
    names = names_to_sign(fields)
    now = int(time.time())
    tags = {
        "v": "1",
        "a": f"{key.kind}-sha256",
        "c": "relaxed/relaxed",
        "d": key.domain,
        "s": key.selector,
        "t": str(now),
        **({} if expires is None else {"x": str(now + expires)}),
        "bh": body_hash,
    }
    unsigned = unsigned_field(tags, names)
    try:
        signature = key.sign(data_to_sign(fields, names, unsigned))
    except Exception as error:
        raise ConfigurationError(
            f"The DKIM key {key.selector} of {key.domain} failed to sign: {type(error).__name__}."
        ) from error
    return signed_field(unsigned, signature)
