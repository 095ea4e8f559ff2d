"""The dkim backend: whose key signs, options and their errors, batches, sessions."""

from __future__ import annotations

import base64
import re
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from dkim_judges import SHORT_RSA_PEM, by_dkimpy, ed25519_pem, rsa_pem
from flask import Flask
from servers import Recorder, smtp_server

from flask_mail import (
    BackendUnavailable,
    ConfigurationError,
    Mail,
    Message,
    MessageError,
    MessageRefused,
    Outcome,
    Outgoing,
    UnsupportedFeature,
)
from flask_mail.backends import Backend, DkimRecord, Feature, ProbeStep, Secret, Sessions
from flask_mail.backends.dkim import DkimBackend
from flask_mail.backends.locmem import LocmemBackend
from flask_mail.mime.content import Content

EXAMPLE = {"example.com": {"SELECTOR": "s1", "KEY": ed25519_pem()}}


def hello(sender: str = "me@example.com", **given: Any) -> Message:
    return Message("Hi", ["to@example.org"], "Hello", sender=sender, **given)


def mail_by(**options: Any) -> Mail:
    """Return a Mail whose default mailer signs and keeps messages in memory."""
    app = Flask("shop")
    default = {"BACKEND": "dkim", "MAILER": "kept", **options}
    app.config["MAIL_MAILERS"] = {"default": default, "kept": {"BACKEND": "locmem"}}
    return Mail(app)


def backend_of(mail: Mail) -> Any:
    return mail.state.selection.build("default")


def sent_by(mail: Mail) -> list[bytes]:
    return [each.as_bytes() for each in backend_of(mail).child.outbox]


class Ready(Message):
    """A message whose content a program has made itself."""

    content = b""

    def as_bytes(self) -> bytes:
        return self.content


def test_message_has_a_signature_of_each_key_of_its_domain():
    keys = [{"SELECTOR": "r1", "KEY": rsa_pem()}, {"selector": "E1", "key": ed25519_pem()}]
    mail = mail_by(DOMAINS={"example.com": keys, "example.net": EXAMPLE["example.com"]})
    receipt = mail.send(hello())
    assert (receipt.backend, receipt.mailer, receipt.sent) == ("locmem", "kept", True)
    [content] = sent_by(mail)
    assert by_dkimpy(content, backend_of(mail).dkim_records()) == [True, True]
    assert content.startswith(
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=r1;\r\n t="
    )
    assert b"; d=example.com; s=e1;" in content
    mail.send(hello("me@example.net"))
    assert sent_by(mail)[1].count(b"d=example.net") == 1


def test_time_of_a_signature_is_that_of_sending(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1528637909.5)
    mail = mail_by(DOMAINS=EXAMPLE)
    mail.send(hello())
    [content] = sent_by(mail)
    assert b" t=1528637909;" in content
    assert b" x=" not in content.partition(b"\r\n b=")[0]


def test_signature_can_expire():
    mail = mail_by(DOMAINS=EXAMPLE, EXPIRES="86400")
    mail.send(hello())
    [content] = sent_by(mail)
    signed_at, expires_at = map(int, re.search(rb" t=(\d+);\s+x=(\d+);", content).groups())
    assert expires_at == signed_at + 86400
    assert by_dkimpy(content, backend_of(mail).dkim_records()) == [True]


@pytest.mark.parametrize("value", [0, "-1", "soon", 1.5])
def test_lifetime_of_a_signature_is_a_whole_number_above_0(value):
    with pytest.raises(ConfigurationError, match=r"\['EXPIRES'\] must be"):
        mail_by(DOMAINS=EXAMPLE, EXPIRES=value).send(hello())


@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("Käthe <me@EXAMPLE.com>", "example.com"),
        ("me@news.example.com", "example.com"),
        ("me@a.shop.example.com", "shop.example.com"),
        ("me@bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_nearest_domain_of_the_sender_signs(sender, domain):
    names = ["example.com", "Shop.Example.com", "bücher.example"]
    mail = mail_by(DOMAINS=dict.fromkeys(names, EXAMPLE["example.com"]))
    mail.send(hello(sender))
    [content] = sent_by(mail)
    assert f" d={domain};".encode() in content
    assert by_dkimpy(content, backend_of(mail).dkim_records()) == [True]


@pytest.mark.parametrize("sender", ["me@badexample.com", "me@com", "me@[192.0.2.1]"])
def test_mail_of_a_domain_without_a_key_is_refused(sender):
    mail = mail_by(DOMAINS=EXAMPLE)
    with pytest.raises(
        MessageError, match=r"no key for mail from .*\['DOMAINS'\].*\['MISSING'\]"
    ) as e:
        mail.send(hello(sender))
    assert e.value.receipt.outcome is Outcome.NOT_SENT
    assert sent_by(mail) == []


def test_first_domain_can_sign_mail_of_any_other():
    domains = {"example.net": EXAMPLE["example.com"], **EXAMPLE}
    mail = mail_by(DOMAINS=domains, ALIGN="false")
    for sender in ("me@example.org", "me@news.example.com"):
        mail.send(hello(sender))
    records = backend_of(mail).dkim_records()
    other, own = sent_by(mail)
    assert b" d=example.net;" in other
    assert b" d=example.com;" in own
    assert by_dkimpy(other, records) == by_dkimpy(own, records) == [True]


def test_mail_of_a_domain_without_a_key_can_pass_unsigned():
    mail = mail_by(DOMAINS=EXAMPLE, MISSING="pass")
    message = Ready("Hi", ["to@example.org"], sender="me@other.example")
    message.content = "From: me@other.example\r\n\r\nGrüße".encode()
    mail.send(message)
    assert sent_by(mail) == [message.content]


@pytest.mark.parametrize("count", [0, 2])
def test_message_without_a_single_from_field_is_not_signed(count):
    message = Ready("Hi", ["to@example.org"], sender="me@example.com")
    message.content = b"From: me@example.com\r\n" * count + b"Subject: Hi\r\n\r\nHello"
    mail = mail_by(DOMAINS=EXAMPLE)
    with pytest.raises(MessageError, match=f"has {count} From fields"):
        mail.send(message)
    assert sent_by(mail) == []


def test_from_with_two_domains_is_not_signed():
    """Receivers may compare the signature with either of them."""
    message = Ready("Hi", ["to@example.org"], sender="me@example.com")
    message.content = b"From: me@example.com, eve@other.example\r\n\r\nHello"
    mail = mail_by(DOMAINS=EXAMPLE)
    with pytest.raises(MessageError, match="addresses of several domains"):
        mail.send(message)
    assert sent_by(mail) == []
    message.content = b"From: me@example.com, eve@EXAMPLE.com\r\n\r\nHello"
    mail.send(message)
    assert b"d=example.com" in sent_by(mail)[0]


@pytest.mark.parametrize(
    ("domain", "sender", "is_signed"),
    [
        ("example.com", "me@example.com", True),
        ("example.com", "me@a.b.example.com", True),
        ("news.example.com", "me@example.com", False),
        ("example.com", "me@badexample.com", False),
        ("example.com", "me@example.com.evil.test", False),
        ("com", "me@example.com", False),
        ("intranet", "me@intranet", True),
    ],
)
def test_domain_that_signs_is_that_of_the_sender_or_above_it(domain, sender, is_signed):
    keys = {domain: {"SELECTOR": "s1", "KEY": ed25519_pem()}}
    backend = DkimBackend(mailer=LocmemBackend(), domains=keys)
    mail = Outgoing.of(hello(sender=sender))
    if is_signed:
        assert f"d={domain};".encode() in backend.signed(mail).content
    else:
        with pytest.raises(MessageError, match="has no key for mail from"):
            backend.signed(mail)


def test_message_without_a_body_is_signed():
    message = Ready("Hi", ["to@example.org"], sender="me@example.com")
    message.content = b"From: me@example.com\r\nSubject: Hi\r\n"
    mail = mail_by(DOMAINS=EXAMPLE)
    mail.send(message)
    [content] = sent_by(mail)
    assert by_dkimpy(content + b"\r\n", backend_of(mail).dkim_records()) == [True]


def test_earlier_signature_is_kept():
    message = Ready("Hi", ["to@example.org"], sender="me@example.com")
    message.content = b"DKIM-Signature: v=1; other\r\nFrom: me@example.com\r\n\r\nHello\r\n"
    mail = mail_by(DOMAINS=EXAMPLE)
    mail.send(message)
    assert sent_by(mail)[0].endswith(message.content)


def test_large_file_is_signed_and_sent_in_pieces(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * 4096)
    message = hello()
    message.attach_file(path)
    backend = DkimBackend(mailer=LocmemBackend(), domains=EXAMPLE)
    signed = backend.signed(Outgoing.of(message))
    assert isinstance(signed.octets, Content)
    assert by_dkimpy(signed.content, backend.dkim_records()) == [True]
    path.unlink()
    with pytest.raises(MessageError, match="cannot be read any more"):
        backend.signed(Outgoing.of(message))


def test_large_file_is_not_read_at_once_for_a_header_of_eight_bits(tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(1 << 20))
    message = hello(sender="jörg@example.com")
    message.attach(path=path)
    backend = DkimBackend(mailer=LocmemBackend(), domains=EXAMPLE)
    octets = backend.signed(Outgoing.of(message)).octets
    assert isinstance(octets, Content)
    assert "From: jörg@example.com".encode() in octets.literal
    assert by_dkimpy(bytes(octets), backend.dkim_records()) == [True]


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_text_of_eight_bits_is_encoded_before_it_is_signed(size):
    """A server without 8BITMIME would need that, and the signature would not be valid then."""
    attached = (
        b"From: a@example.org\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
    )
    message = hello()
    message.attach("mail.eml", "message/rfc822", attached)
    message.attach("data.bin", "application/octet-stream", bytes(size))
    backend = DkimBackend(mailer=LocmemBackend(), domains=EXAMPLE)
    content = backend.signed(Outgoing.of(message)).content
    assert content.isascii()
    assert base64.b64encode("Grüße".encode())[:8] in content
    assert by_dkimpy(content, backend.dkim_records()) == [True]


class TestOptions:
    def test_flat_settings_sign_for_one_domain(self, tmp_path):
        path = tmp_path / "s1.pem"
        path.write_text(rsa_pem())
        app = Flask("shop")
        app.config.update(
            MAIL_BACKEND="dkim",
            MAIL_DKIM_MAILER="locmem",
            MAIL_DKIM_DOMAIN="example.com",
            MAIL_DKIM_SELECTOR="s1",
            MAIL_DKIM_KEY=path,
        )
        mail = Mail(app)
        mail.send(hello())
        backend = mail.state.selection.build("dkim")
        [copy] = backend.child.outbox
        assert by_dkimpy(copy.as_bytes(), backend.dkim_records()) == [True]

    def test_key_may_come_from_a_callable(self):
        mail = mail_by(DOMAIN="example.com", SELECTOR="s1", KEY=ed25519_pem)
        mail.send(hello())
        assert len(sent_by(mail)) == 1

    @pytest.mark.parametrize("given", [{}, {"DOMAIN": "example.com", "SELECTOR": "s1"}])
    def test_missing_option_is_named(self, given):
        expected = "DOMAIN" if not given else "KEY"
        with pytest.raises(
            ConfigurationError, match=rf"needs MAIL_MAILERS\['default'\]\['{expected}'\]: set"
        ):
            backend_of(mail_by(**given))

    def test_mailer_is_required(self):
        with pytest.raises(
            ConfigurationError, match=r"needs MAIL_MAILERS\['default'\]\['MAILER'\]"
        ):
            backend_of(mail_by(MAILER=None, DOMAINS=EXAMPLE))

    @pytest.mark.parametrize("name", ["DOMAIN", "SELECTOR", "KEY"])
    def test_domains_exclude_the_options_for_one(self, name):
        with pytest.raises(ConfigurationError, match=r"^Set either .*\['DOMAINS'\] or .*not both"):
            backend_of(mail_by(DOMAINS=EXAMPLE, **{name: "example.com"}))

    @pytest.mark.parametrize(
        ("domains", "text"),
        [
            ({}, r"\['DOMAINS'\] must be a dict such as {\"example.com\": {\"SELECTOR\""),
            ("example.com", r"\['DOMAINS'\] must be a dict"),
            ({"example.com": "s1"}, r"\['DOMAINS'\]\['example.com'\] must be a dict"),
            ({"example.com": []}, r"\['DOMAINS'\]\['example.com'\] is an empty list"),
            ({"example.com": [None]}, r"\['DOMAINS'\]\['example.com'\]\[0\] must be a dict"),
            ({"example.com": {"KEY": "x"}}, r"\['DOMAINS'\]\['example.com'\] must be a dict"),
            (
                {"example.com": {**EXAMPLE["example.com"], "key": "other"}},
                r"\['DOMAINS'\]\['example.com'\] must be a dict",
            ),
            ({"a b": EXAMPLE["example.com"]}, r"\['DOMAINS'\]: 'a b' is not a valid domain"),
            ({"[192.0.2.1]": EXAMPLE["example.com"]}, r"must contain a domain such as"),
            ({1: EXAMPLE["example.com"]}, r"must contain a domain such as .*, not 1\."),
            (
                dict.fromkeys(["example.com", "EXAMPLE.com"], EXAMPLE["example.com"]),
                r"\['DOMAINS'\] has the domain 'example.com' twice",
            ),
            (
                {"example.com": [EXAMPLE["example.com"], EXAMPLE["example.com"]]},
                r"\['example.com'\]\[1\]\['SELECTOR'\] is that of another key",
            ),
        ],
    )
    def test_wrong_table_of_domains_is_an_error(self, domains, text):
        with pytest.raises(ConfigurationError, match=text):
            backend_of(mail_by(DOMAINS=domains))

    @pytest.mark.parametrize("selector", ["a b", "a..b", "-a", "s_1", "ä", "x" * 64, 1.5])
    def test_selector_is_a_name_of_dns(self, selector):
        with pytest.raises(ConfigurationError, match=r"\['SELECTOR'\] must be"):
            backend_of(mail_by(DOMAIN="example.com", SELECTOR=selector, KEY=ed25519_pem()))

    @pytest.mark.parametrize("missing", ["ignore", True])
    def test_missing_is_one_of_two_words(self, missing):
        with pytest.raises(
            ConfigurationError, match=r"\['MISSING'\] must be one of 'refuse', 'pass'"
        ):
            backend_of(mail_by(DOMAINS=EXAMPLE, MISSING=missing))

    def test_mailer_that_may_change_messages_is_named(self):
        app = Flask("shop")
        app.config["MAIL_MAILERS"] = {
            "default": {"BACKEND": "dkim", "MAILER": "api", "DOMAINS": EXAMPLE},
            "api": {"BACKEND": ServiceBackend},
        }
        with pytest.raises(
            ConfigurationError,
            match=r"^MAIL_MAILERS\['default'\]\['MAILER'\] cannot be 'api': the service backend",
        ):
            backend_of(Mail(app))

    def test_missing_library_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "cryptography", None)
        with pytest.raises(ConfigurationError, match=r"flask-mail\[dkim\]"):
            backend_of(mail_by(DOMAINS=EXAMPLE))

    def test_limits_and_features_are_those_of_the_mailer(self):
        backend = DkimBackend(mailer=ServiceBackend(), domains=EXAMPLE)
        assert backend.features == ServiceBackend.features
        assert (backend.max_size, backend.max_recipients) == (1_000_000, 50)

    def test_it_is_replaced_in_tests(self):
        mail = mail_by(DOMAINS=EXAMPLE)
        mail.state.app.config["TESTING"] = True
        assert mail.send(hello()).backend == "locmem"
        assert len(mail.outbox) == 1


class ServiceBackend(Backend[None]):
    """A service that makes the message itself."""

    name = "service"
    api_version = 1
    features = frozenset({Feature.ATTACHMENTS})
    max_size = 1_000_000
    max_recipients = 50

    def deliver(self, mail, session):
        return self.accepted(mail)


def encrypted() -> str:
    key = load_pem_private_key(ed25519_pem().encode(), None)
    form = PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    return key.private_bytes(Encoding.PEM, *form).decode()


def elliptic() -> str:
    from cryptography.hazmat.primitives.serialization import NoEncryption

    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def cut() -> str:
    return ed25519_pem()[:50]


def public() -> str:
    from cryptography.hazmat.primitives.serialization import PublicFormat

    key = load_pem_private_key(ed25519_pem().encode(), None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def one_line() -> str:
    return ed25519_pem().replace("\n", "\\n")


class TestKeys:
    def test_rsa_key_of_1024_bits_signs_with_a_warning(self, caplog):
        table = {"SELECTOR": "s1", "KEY": rsa_pem(1024)}
        mail = mail_by(DOMAINS={"example.com": table})
        mail.send(hello())
        place = "MAIL_MAILERS['default']['DOMAINS']['example.com']['KEY']"
        assert f"{place} has 1024 bits" in caplog.text
        assert by_dkimpy(sent_by(mail)[0], backend_of(mail).dkim_records()) == [True]

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: "s3cret-key", "neither PEM text nor the path of a readable file"),
            (lambda: "s3cret\0key", "is not a private key in PEM form"),
            (lambda: str(Path(__file__)), "is not a private key in PEM form"),
            (encrypted, "is encrypted with a password"),
            (elliptic, "is a key of another kind"),
            (lambda: SHORT_RSA_PEM, "has 768 bits: RSA keys need 1024, and should have 2048"),
            (cut, "is not a private key in PEM form"),
            (public, "is not a private key in PEM form"),
            (one_line, r'contains "\\n" as two characters, .*: use real line breaks, or the path'),
        ],
    )
    @pytest.mark.parametrize("form", ["flat", "table"])
    def test_key_that_cannot_be_used_is_an_error_that_hides_it(self, make, text, form):
        entry = {"SELECTOR": "s1", "KEY": make()}
        given: Any = {"DOMAINS": {"example.com": [entry]}}
        place = r"\['DOMAINS'\]\['example.com'\]\[0\]\['KEY'\]"
        if form == "flat":
            given, place = {"DOMAIN": "example.com", **entry}, r"\['default'\]\['KEY'\]"
        with pytest.raises(ConfigurationError, match=f"{place} .*{text}") as caught:
            backend_of(mail_by(**given))
        secret = entry["KEY"].replace("\n", "\\n")
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        frames = [
            f"{frame.name}: {frame.locals}"
            for frame in shown.stack
            if "flask_mail" in frame.filename and "tests" not in frame.filename
        ]
        assert frames
        assert [each for each in frames if secret[:200] in each] == []
        assert entry["KEY"] not in str(caught.value)

    @pytest.mark.parametrize("answer", [None, ""])
    def test_callable_that_gives_no_key_is_an_error(self, answer):
        with pytest.raises(
            ConfigurationError, match=r"\['KEY'\] is a callable that failed: no text"
        ):
            backend_of(mail_by(DOMAIN="example.com", SELECTOR="s1", KEY=lambda: answer))

    def test_callable_that_raises_is_an_error(self):
        def fetch():
            raise TimeoutError("s3cret")

        with pytest.raises(ConfigurationError, match=r"\['KEY'\] .*: TimeoutError\.$"):
            backend_of(mail_by(DOMAIN="example.com", SELECTOR="s1", KEY=fetch))

    @pytest.mark.parametrize("flat", [True, False])
    def test_no_repr_of_the_backend_or_its_options_shows_the_key(self, flat):
        app = Flask("shop")
        options = {"MAILER": "locmem", "DOMAINS": EXAMPLE}
        app.config["MAIL_BACKEND"] = "dkim"
        app.config.update({f"MAIL_DKIM_{name}": value for name, value in options.items()})
        if not flat:
            app.config["MAIL_MAILERS"] = {"default": {"BACKEND": "dkim", **options}}
            del app.config["MAIL_BACKEND"]
        selection = Mail(app).state.selection
        backend: Any = selection.build("dkim" if flat else "default")
        [built] = [each for each in selection._built.values() if each.backend is backend]
        assert "PRIVATE KEY" not in f"{vars(backend)} {built} {backend.keys()}"
        assert "'KEY': ***" in repr(built.options)

    def test_signing_that_fails_sends_nothing(self):
        class Broken:
            def sign(self, *given: Any) -> bytes:
                raise RuntimeError("s3cret")

        mail = mail_by(DOMAINS=EXAMPLE)
        [key] = backend_of(mail).keys()["example.com"]
        object.__setattr__(key, "private", Broken())
        with pytest.raises(
            ConfigurationError, match="key s1 of example.com failed to sign: Run"
        ) as e:
            mail.send(hello())
        assert e.value.receipt.outcome is Outcome.NOT_SENT
        assert sent_by(mail) == []


class ScriptedBackend(Backend[int]):
    """Answers what it is told to, and counts its sessions."""

    name = "scripted"
    api_version = 1
    features = frozenset(Feature)

    def __init__(self, *answers: object, ahead: int = 1) -> None:
        self.answers = list(answers)
        self.log: list[str] = []
        self.ahead = ahead

    def open(self) -> int:
        self.log.append("open")
        return 1

    def close(self, session: int) -> None:
        self.log.append("close")

    def retire(self, session: int) -> None:
        self.log.append("retire")

    def abort(self, session: int) -> None:
        self.log.append("abort")

    def probe(self, sender=None):
        return [ProbeStep("connect", "ok", str(sender))]

    def dkim_records(self):
        return [DkimRecord("own.example", "x")]

    def deliver(self, mail, session):
        assert mail.content.startswith(b"DKIM-Signature")
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return self.accepted(mail)

    def deliver_many(self, mails, session):
        taken: list[Outgoing] = []
        for mail in mails:
            taken.append(mail)
            while len(taken) >= self.ahead:
                yield self.attempt(taken.pop(0), session)
        for mail in taken:
            yield self.attempt(mail, session)


def batch(*senders: str) -> list[Outgoing]:
    return [Outgoing.of(hello(f"me@{each}")) for each in senders]


class TestDelivery:
    def test_outcome_of_the_mailer_is_untouched(self):
        error = MessageRefused("no", response="550 no")
        backend = DkimBackend(mailer=ScriptedBackend(error), domains=EXAMPLE)
        with pytest.raises(MessageRefused) as caught:
            backend.send(hello(), backend.open())
        assert caught.value is error

    @pytest.mark.parametrize("ahead", [1, 2, 10])
    @pytest.mark.parametrize(
        "order", ["gggg", "bggb", "gbbg", "bbbb", "gbgb", "ggbb"], ids=lambda order: order
    )
    def test_batch_has_a_receipt_for_each_message_in_order(self, ahead, order):
        domain = {"g": "example.com", "b": "other.example"}
        mails = batch(*(domain[each] for each in order))
        backend = DkimBackend(mailer=ScriptedBackend(ahead=ahead), domains=EXAMPLE)
        receipts = list(backend.deliver_many(iter(mails), backend.open()))
        assert [each.message_id for each in receipts] == [each.message_id for each in mails]
        assert [each.sent for each in receipts] == [each == "g" for each in order]
        failed = [each for each in receipts if not each.sent]
        assert {each.outcome for each in failed} <= {Outcome.NOT_SENT}
        assert all(isinstance(each.error, MessageError) for each in failed)

    def test_failure_in_a_batch_is_of_its_message_only(self):
        child = ScriptedBackend(None, BackendUnavailable("later"), None)
        backend = DkimBackend(mailer=child, domains=EXAMPLE)
        receipts = backend.deliver_many(batch(*["example.com"] * 3), backend.open())
        assert [each.outcome for each in receipts] == [
            Outcome.SENT,
            Outcome.NOT_SENT,
            Outcome.SENT,
        ]

    @pytest.mark.parametrize("several", [False, True])
    def test_unexpected_error_while_signing_is_before_delivery(self, monkeypatch, several):
        monkeypatch.setattr("flask_mail.backends.dkim.read_fields", lambda header: 1 / 0)
        backend = DkimBackend(mailer=ScriptedBackend(), domains=EXAMPLE)
        session, [mail] = backend.open(), batch("example.com")
        if several:
            [receipt] = backend.deliver_many([mail], session)
        else:
            receipt = backend.deliver(mail, session)
        assert receipt.outcome is Outcome.NOT_SENT
        assert isinstance(receipt.error, ZeroDivisionError)
        assert backend.child.log == []

    def test_message_that_is_too_large_with_its_signature_is_not_handed_over(self):
        child = ScriptedBackend()
        [mail] = batch("example.com")
        child.max_size = mail.size
        backend = DkimBackend(mailer=child, domains=EXAMPLE)
        [receipt] = backend.deliver_many([mail], backend.open())
        assert receipt.outcome is Outcome.NOT_SENT
        assert isinstance(receipt.error, UnsupportedFeature)

    @pytest.mark.parametrize("end", ["close", "retire", "abort"])
    def test_session_of_the_mailer_ends_alike(self, end):
        child = ScriptedBackend()
        backend = DkimBackend(mailer=child, domains=EXAMPLE)
        session = backend.open()
        assert isinstance(session, Sessions)
        backend.send(hello(), session)
        getattr(backend, end)(session)
        assert child.log == ["open", end]

    def test_batch_goes_over_one_connection_to_a_server(self):
        recorder = Recorder()
        with smtp_server(recorder) as server:
            app = Flask("shop")
            app.config["MAIL_MAILERS"] = {
                "default": {"BACKEND": "dkim", "MAILER": "server", "DOMAINS": EXAMPLE},
                "server": f"smtp://127.0.0.1:{server.port}",
            }
            mail = Mail(app)
            receipts = mail.send_many([hello(), hello("me@other.example"), hello()])
            mail.close()
            records = list(backend_of(mail).dkim_records())
        assert [each.sent for each in receipts] == [True, False, True]
        assert len({id(each) for each in recorder.sessions}) == 1
        for each in recorder.accepted:
            assert by_dkimpy(each.content, records) == [True]

    def test_mailer_answers_for_kept_messages_probe_and_records(self):
        child = ScriptedBackend()
        backend = DkimBackend(mailer=child, domains=EXAMPLE)
        assert backend.kept() is None
        assert list(backend.probe("me@example.com"))[1:] == [
            ProbeStep("connect", "ok", "me@example.com")
        ]
        names = [each.name for each in backend.dkim_records()]
        assert names == ["s1._domainkey.example.com", "own.example"]

    def test_constructor_takes_a_secret(self):
        backend = DkimBackend(
            mailer=LocmemBackend(), domain="example.com", selector="s1", key=Secret(ed25519_pem())
        )
        assert backend.send(hello(), backend.open()).sent


class TestTrial:
    """The step of `flask mail check`: who signs mail of the default sender."""

    @pytest.mark.parametrize(
        ("sender", "options", "status", "words"),
        [
            (None, {}, "ok", "example.com by s1 (ed25519); b.test by r1 (rsa, 2048 bits)"),
            ("me@news.B.test", {}, "ok", "b.test by r1 (rsa, 2048 bits); example.com by s1"),
            (
                "me@other.test",
                {},
                "failed",
                "has no key for mail from other.test: add one to MAIL_",
            ),
            ("me@other.test", {"missing": "pass"}, "skipped", "without a signature (MAIL_DKIM_MIS"),
            ("me@other.test", {"align": False}, "ok", "example.com by s1 (ed25519); b.test"),
        ],
    )
    def test_names_the_keys_of_the_sender_first(self, sender, options, status, words):
        domains = {**EXAMPLE, "b.test": {"SELECTOR": "r1", "KEY": rsa_pem()}}
        backend = DkimBackend(mailer=ScriptedBackend(), domains=domains, **options)
        step = next(iter(backend.probe(sender)))
        assert (step.name, step.status) == ("sign", status)
        assert words in step.detail

    def test_names_both_keys_of_a_domain_and_counts_many_domains(self):
        keys = [{"SELECTOR": name, "KEY": ed25519_pem()} for name in ("s1", "s2")]
        domains = {f"d{number}.test": keys for number in range(7)}
        step = next(iter(DkimBackend(mailer=ScriptedBackend(), domains=domains).probe()))
        assert step.detail.startswith("d0.test by s1 (ed25519) and s2 (ed25519); d1.test by")
        assert step.detail.endswith(
            "; d4.test by s1 (ed25519) and s2 (ed25519); and 2 more domains"
        )
