"""The keys of the dkim backend. Needs ``cryptography``, the extra ``dkim``."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..address.parser import domain_to_ascii
from ..config.converters import to_secret
from ..config.table import convert
from ..errors import BackendUnavailable, ConfigurationError, MessageError
from ..util.patterns import lazy_pattern
from ..util.secret import Secret
from ..util.text import describe
from .values import DkimRecord

_log = logging.getLogger("flask_mail")

# Bits of an RSA key that signers must have, and those that they should have (RFC 8301 section 3.2).
_SMALLEST: Final = 1024
_RECOMMENDED: Final = 2048
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SELECTOR = lazy_pattern(rf"{_LABEL}(?:\.{_LABEL})*")
_EXAMPLE: Final = '{"SELECTOR": "s2026", "KEY": "/etc/mail/s2026.pem"}'


@dataclass(frozen=True)
class SigningKey:
    """A private key, and the name at which DNS has its public key."""

    domain: str
    selector: str
    kind: str
    """``"rsa"`` or ``"ed25519"``."""
    private: Any = field(repr=False)

    def __str__(self) -> str:
        size = "" if self.kind == "ed25519" else f", {self.private.key_size} bits"
        return f"{self.selector} ({self.kind}{size})"

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data` (RFC 6376 section 3.3.1, RFC 8463 section 3)."""
        signature: bytes
        if self.kind == "ed25519":
            signature = self.private.sign(hashlib.sha256(data).digest())
            return signature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        signature = self.private.sign(data, PKCS1v15(), SHA256())
        return signature

    @property
    def record(self) -> DkimRecord:
        """The record that DNS must have, so that receivers can verify its signatures."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self.private.public_key()
        octets = (
            public.public_bytes_raw()  # RFC 8463 section 4.2
            if self.kind == "ed25519"
            else public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
        return DkimRecord(
            f"{self.selector}._domainkey.{self.domain}",
            f"v=DKIM1; k={self.kind}; p={base64.b64encode(octets).decode()}",
        )


def read_keys(
    domain: str | None,
    selector: str | None,
    key: Secret | None,
    domains: object,
    setting: Callable[[str], str],
) -> dict[str, list[SigningKey]]:
    """Return the keys of each domain, lowercase and in ASCII.

    :param setting: returns the setting of an option, for errors.
    :raises ConfigurationError: one is missing or cannot be used; names the setting.
    """
    flat = {"domain": domain, "selector": selector, "key": key}
    missing = [name for name, value in flat.items() if value is None]
    if domains is None:
        if missing:
            raise ConfigurationError(
                f"The dkim backend needs {setting(missing[0])}: set {setting('domain')},"
                f" {setting('selector')} and {setting('key')}, or {setting('domains')}."
            )
        name = _domain(domain, setting("domain"))
        return {name: [_signing_key(name, selector, key, setting)]}
    place = setting("domains")
    if len(missing) < len(flat):
        raise ConfigurationError(
            f"Set either {place} or {setting('domain')}, {setting('selector')} and"
            f" {setting('key')}, not both."
        )
    if not isinstance(domains, Mapping) or not domains:
        raise ConfigurationError(f'{place} must be a dict such as {{"example.com": {_EXAMPLE}}}.')
    found: dict[str, list[SigningKey]] = {}
    for given, tables in domains.items():
        name = _domain(given, place)
        if name in found:
            raise ConfigurationError(f"{place} has the domain {name!r} twice.")
        found[name] = list(_keys_of(name, f"{place}[{given!r}]", tables))
    return found


def _keys_of(domain: str, place: str, tables: Any) -> Iterator[SigningKey]:
    """Yield the keys of one domain; with two of them, each message gets two signatures."""
    several = isinstance(tables, (list, tuple))
    selectors = set()
    for number, table in enumerate(tables if several else [tables]):
        at = f"{place}[{number}]" if several else place
        given = (
            {str(name).lower(): value for name, value in table.items()}
            if isinstance(table, Mapping)
            else {}
        )
        if given.keys() != {"selector", "key"} or len(table) > len(given):
            raise ConfigurationError(
                f"{at} must be a dict such as {_EXAMPLE}, or a list of these for several keys."
            )
        key = _signing_key(domain, given["selector"], given["key"], _within(at))
        if key.selector in selectors:
            raise ConfigurationError(
                f"{at}['SELECTOR'] is that of another key: each needs a selector of its own."
            )
        selectors.add(key.selector)
        yield key
    if not selectors:
        raise ConfigurationError(f"{place} is an empty list: it must contain {_EXAMPLE}.")


def _within(place: str) -> Callable[[str], str]:
    return lambda name: f"{place}[{name.upper()!r}]"


def _domain(value: object, setting: str) -> str:
    try:
        name = domain_to_ascii(value) if isinstance(value, str) else ""
    except MessageError as error:
        raise ConfigurationError(f"{setting}: {error}.") from None
    if not name or name.startswith("["):
        raise ConfigurationError(
            f'{setting} must contain a domain such as "example.com", not {describe(value)}.'
        )
    return name.lower()


def _signing_key(
    domain: str, selector: object, key: object, setting: Callable[[str], str]
) -> SigningKey:
    # DNS names are the same in upper and lower case.
    name = str(selector).lower()
    if not _SELECTOR.fullmatch(name):
        raise ConfigurationError(
            f'{setting("selector")} must be a name such as "s2026", of letters, digits, hyphens'
            f" and dots (RFC 6376 section 3.1), not {describe(selector)}."
        )
    place = setting("key")
    secret = Secret(convert(place, to_secret, key, secret=True), place)
    del key
    loaded = _loaded(secret)
    # Raised here, as tracebacks show the variables of a frame that has read the key.
    if isinstance(loaded, str):
        raise ConfigurationError(f"{place} {loaded}")
    kind, private = loaded
    if kind == "rsa" and private.key_size < _RECOMMENDED:
        _log.warning(
            "%s has %d bits, which receivers may not accept for long: replace it by a key of %d"
            " (RFC 8301).",
            *(place, private.key_size, _RECOMMENDED),
        )
    return SigningKey(domain, name, kind, private)


def _loaded(secret: Secret) -> tuple[str, Any] | str:
    """Return kind and private key, or what is wrong with the value of the setting."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        text = secret.reveal()
        pem = text.encode() if "-----BEGIN" in text else Path(text).read_bytes()
        key = load_pem_private_key(pem, None)
    except BackendUnavailable as error:
        reason = error.__cause__
        return f"is a callable that failed: {type(reason).__name__ if reason else 'no text'}."
    except OSError as error:
        return f"is neither PEM text nor the path of a readable file: {type(error).__name__}."
    except TypeError:
        return "is encrypted with a password: store it without one, readable by the app alone."
    except (ValueError, UnsupportedAlgorithm):
        if "-----BEGIN" in text and r"\n" in text:
            return (
                r'contains "\n" as two characters, as variables of the environment often do: use'
                " real line breaks, or the path of a file."
            )
        return 'is not a private key in PEM form, which begins with "-----BEGIN PRIVATE KEY-----".'
    if isinstance(key, Ed25519PrivateKey):
        return "ed25519", key
    if not isinstance(key, RSAPrivateKey):
        return "is a key of another kind: DKIM needs RSA or Ed25519."
    if key.key_size < _SMALLEST:
        return (
            f"has {key.key_size} bits: RSA keys need {_SMALLEST}, and should have {_RECOMMENDED}"
            " (RFC 8301)."
        )
    return "rsa", key
