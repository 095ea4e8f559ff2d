"""TLS, by STARTTLS and from the first byte, with certificates that hold and others that do not."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import trustme
from dead_addresses import NAME, named
from servers import Dialogue, Recorder, mail_to, scripted_server, signed_by_itself, smtp_server

from flask_mail import BackendUnavailable, ConfigurationError, Message, Outcome
from flask_mail.backends.smtp import SmtpBackend
from flask_mail.smtp import session as client
from flask_mail.smtp import tls
from flask_mail.smtp.tls import ClientTLS, wrapped

STARTTLS, IMPLICIT = {"MAIL_USE_TLS": True}, {"MAIL_USE_SSL": True}
both_ways = pytest.mark.parametrize("way", [STARTTLS, IMPLICIT], ids=["starttls", "implicit"])


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def certified(authority):
    """The context of a server whose certificate is right."""
    return context_with(authority.issue_cert("127.0.0.1"))


def context_with(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


def tls_server(way, context, recorder=None):
    if way is IMPLICIT:
        return smtp_server(recorder, ssl_context=context)
    return smtp_server(recorder, tls_context=context, require_starttls=True)


def message():
    return Message("Hello", ["to@example.com"], body="Hi")


def failing(port, **settings):
    """Send, which fails before the message, and return the error."""
    with pytest.raises(BackendUnavailable) as caught:
        mail_to(port, **settings).send(message())
    assert caught.value.receipt.outcome is Outcome.NOT_SENT
    return caught.value


@both_ways
def test_a_certificate_of_a_trusted_authority_for_this_host_is_accepted(way, certified, ca_file):
    with tls_server(way, certified) as server:
        assert mail_to(server.port, MAIL_TLS_CA_FILE=ca_file, **way).send(message()).sent
    assert len(server.recorder.accepted) == 1


@both_ways
def test_tls_socket_waits_only_if_a_program_may_use_it(way, certified, ca_file):
    with tls_server(way, certified) as server:
        mail = mail_to(server.port, MAIL_TLS_CA_FILE=ca_file, MAIL_POOL_SIZE=1, **way)
        for _ in range(2):
            mail.send(message())
            ((_, idle),) = mail.selection.backend()._pool.idle
            assert idle.sock.gettimeout() == 0
        with mail.connect() as connection:
            own = b"Subject: own\r\n\r\n" + b"x\r\n" * 100_000
            assert connection.host.sendmail("me@x.de", ["to@x.de"], own) == {}
            assert connection.send(message()).sent
            assert connection.host.sock.gettimeout() > 0
    assert len(server.recorder.accepted) == 4
    assert mail.stats()["opened"] == 1


def test_program_may_start_tls_on_a_session_itself(certified, authority):
    own = ssl.create_default_context()
    authority.configure_trust(own)
    with (
        smtp_server(tls_context=certified, require_starttls=True) as server,
        mail_to(server.port, MAIL_TIMEOUT=7).connect() as connection,
    ):
        assert connection.host.starttls(context=own)[0] == 220
        assert connection.send(message()).sent
        assert connection.host.sock.gettimeout() == 7
    assert server.recorder.sessions[-1].ssl is not None


@both_ways
def test_an_unknown_authority_is_refused_and_the_setting_named(way, certified):
    with tls_server(way, certified) as server:
        error = failing(server.port, **way)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert "MAIL_TLS_CA_FILE" in str(error)
    assert error.stage == "tls"
    assert (error.reason, error.verify_code) == ("CERTIFICATE_VERIFY_FAILED", 20)
    assert server.recorder.accepted == []


@both_ways
def test_a_certificate_that_signed_itself_is_refused_until_it_is_named(way, tmp_path):
    path = tmp_path / "own.pem"
    path.write_bytes(signed_by_itself())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    with tls_server(way, context) as server:
        assert "MAIL_TLS_CA_FILE" in str(failing(server.port, **way))
        assert mail_to(server.port, MAIL_TLS_CA_FILE=path, **way).send(message()).sent


@both_ways
def test_a_certificate_for_another_host_is_refused(way, authority, ca_file):
    context = context_with(authority.issue_cert("elsewhere.test", "127.0.0.2"))
    with tls_server(way, context) as server:
        error = failing(server.port, MAIL_TLS_CA_FILE=ca_file, **way)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert "MAIL_SERVER" in str(error)


@both_ways
def test_a_certificate_that_has_expired_is_refused(way, authority, ca_file):
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    context = context_with(authority.issue_cert("127.0.0.1", not_after=yesterday))
    with tls_server(way, context) as server:
        error = failing(server.port, MAIL_TLS_CA_FILE=ca_file, **way)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert "expired" in str(error)


@both_ways
def test_verification_needs_no_setting(way, certified):
    """Using the client without the backend's options is safe too."""
    with tls_server(way, certified) as server:
        where = client.Server(
            "127.0.0.1", server.port, 10, implicit_tls=way is IMPLICIT, starttls=way is STARTTLS
        )
        with pytest.raises(ssl.SSLCertVerificationError):
            client.connect(where)


@both_ways
def test_verification_is_given_up_only_explicitly_and_with_a_warning(way, authority, caplog):
    context = context_with(authority.issue_cert("elsewhere.test"))
    with tls_server(way, context) as server:
        mail = mail_to(server.port, MAIL_TLS_VERIFY=False, **way)
        assert mail.send(message()).sent
        assert mail.send(message()).sent
    [record] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.name == "flask_mail"
    assert "MAIL_TLS_VERIFY" in record.getMessage()


@both_ways
@pytest.mark.parametrize("in_one_file", [True, False])
def test_a_client_certificate_is_shown_to_a_server_that_demands_one(
    way, authority, ca_file, tmp_path, in_one_file
):
    shown = authority.issue_cert("client.test")
    settings = {"MAIL_TLS_CA_FILE": ca_file, "MAIL_TLS_CERT_FILE": str(tmp_path / "client.pem")}
    if in_one_file:
        shown.private_key_and_cert_chain_pem.write_to_path(settings["MAIL_TLS_CERT_FILE"])
    else:
        settings["MAIL_TLS_KEY_FILE"] = str(tmp_path / "key.pem")
        shown.private_key_pem.write_to_path(settings["MAIL_TLS_KEY_FILE"])
        shown.cert_chain_pems[0].write_to_path(settings["MAIL_TLS_CERT_FILE"])
    with tls_server(way, demanding(authority)) as server:
        assert mail_to(server.port, **settings, **way).send(message()).sent


def demanding(authority, version=ssl.TLSVersion.TLSv1_3):
    """Return the context of a server that demands a client certificate."""
    context = context_with(authority.issue_cert("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_missing_client_certificate_is_an_error_that_names_the_setting(
    authority, ca_file, version
):
    """With TLS 1.3 the server says so after the handshake, in the place of its greeting."""
    context = demanding(authority, version)

    def script(connection):
        with contextlib.suppress(ssl.SSLError), Dialogue(connection) as talk:
            talk.start_tls(context)

    with scripted_server(script) as port:
        error = failing(port, MAIL_TLS_CA_FILE=ca_file, **IMPLICIT)
    assert "MAIL_TLS_CERT_FILE" in str(error)


def test_a_server_that_does_not_offer_starttls_is_not_talked_to():
    """Somebody in between may have taken the offer out (stripping)."""
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("SIZE", "AUTH PLAIN")
            while True:
                heard.append(talk.hear())

    with scripted_server(script) as port:
        error = failing(port, MAIL_USERNAME="me", MAIL_PASSWORD="s3cret", **STARTTLS)
    assert isinstance(error, smtplib.SMTPNotSupportedError)
    assert "does not offer STARTTLS, which MAIL_USE_TLS requires" in str(error)
    assert error.stage == "tls"
    assert heard == []


def test_a_server_that_knows_only_helo_offers_no_starttls():
    def script(connection):
        with Dialogue(connection) as talk:
            talk.say("220 old.test")
            talk.answer("502 what?", "250 old.test")
            talk.wait()

    with scripted_server(script) as port:
        assert isinstance(failing(port, **STARTTLS), smtplib.SMTPNotSupportedError)


def test_a_server_that_refuses_starttls_is_not_talked_to(caplog):
    caplog.set_level("DEBUG", "flask_mail.smtp")

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("STARTTLS")
            talk.answer("454 4.7.0 not now")
            talk.wait()

    with scripted_server(script) as port:
        error = failing(port, MAIL_DEBUG=True, **STARTTLS)
    assert isinstance(error, smtplib.SMTPResponseException)
    assert "S: 454 4.7.0 not now" in caplog.text
    assert (error.smtp_code, error.stage) == (454, "tls")
    assert "454 4.7.0 not now" in str(error)


def test_data_that_came_before_the_handshake_ends_the_connection():
    """It would be taken for answers that came over TLS (CVE-2011-0411)."""

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("STARTTLS")
            talk.hear()
            talk.say("220 ready", "250-mx.test", "250 AUTH PLAIN")
            talk.wait()

    with scripted_server(script) as port:
        error = failing(port, **STARTTLS)
    assert isinstance(error, smtplib.SMTPServerDisconnected)
    assert "between STARTTLS and the handshake" in str(error)


def test_what_was_announced_before_tls_is_forgotten(certified, ca_file):
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("STARTTLS", "SIZE 1000000", "8BITMIME")
            talk.answer("220 ready")
            talk.start_tls(certified)
            heard.extend(talk.answer("250 mx.test", "250 ok", "250 ok", "354 go"))
            talk.content()
            talk.say("250 ok")

    with scripted_server(script) as port:
        assert mail_to(port, MAIL_TLS_CA_FILE=ca_file, **STARTTLS).send(message()).sent
    assert heard[0].startswith("ehlo ")
    assert heard[1] == "MAIL FROM:<me@example.com>"


def test_a_login_that_was_offered_before_tls_only_is_not_used(certified, ca_file):
    heard = []

    def script(connection):
        with Dialogue(connection) as talk:
            talk.greet("STARTTLS", "AUTH PLAIN LOGIN")
            talk.answer("220 ready")
            talk.start_tls(certified)
            talk.answer("250 mx.test")
            while True:
                heard.append(talk.hear())

    settings = {"MAIL_TLS_CA_FILE": ca_file, "MAIL_USERNAME": "me", "MAIL_PASSWORD": "s3cret"}
    with scripted_server(script) as port:
        error = failing(port, **settings, **STARTTLS)
    assert isinstance(error, smtplib.SMTPNotSupportedError)
    assert heard == []


def test_tls_on_a_plain_port_is_an_error_that_names_the_setting():
    with smtp_server() as server:
        error = failing(server.port, **IMPLICIT)
    assert isinstance(error, ssl.SSLError)
    assert "MAIL_USE_TLS" in str(error)
    assert error.stage == "tls"


def test_plain_on_a_tls_port_is_an_error_that_names_the_setting(certified):
    with smtp_server(ssl_context=certified) as server:
        error = failing(server.port, MAIL_TIMEOUT=0.3)
    assert "MAIL_USE_SSL" in str(error)
    assert error.stage == "greeting"


@both_ways
def test_silence_in_the_handshake_ends_in_the_timeout(way):
    def script(connection):
        with Dialogue(connection) as talk:
            if way is STARTTLS:
                talk.greet("STARTTLS")
                talk.answer("220 ready")
            while connection.recv(4096):
                pass

    with scripted_server(script) as port:
        error = failing(port, MAIL_TIMEOUT=0.3, **way)
    assert isinstance(error, TimeoutError)
    assert "MAIL_TIMEOUT" in str(error)


@both_ways
def test_a_batch_negotiates_tls_again_when_it_reconnects(way, certified, ca_file):
    recorder = Recorder(answers={"bye@example.com": "421 4.3.2 shutting down"})
    one, two, three = message(), message(), message()
    two.recipients = ["bye@example.com"]
    with tls_server(way, certified, recorder) as server:
        mail = mail_to(server.port, MAIL_TLS_CA_FILE=ca_file, **way)
        receipts = mail.send_many([one, two, three])
    assert [each.sent for each in receipts] == [True, False, True]
    first, second = recorder.sessions
    assert first is not second


def test_interrupted_handshake_leaves_nothing_open(certified, ca_file, monkeypatch):
    """A ResourceWarning would fail this test."""

    def do_handshake(sock, block=False):
        raise KeyboardInterrupt

    with smtp_server(tls_context=certified) as server:
        monkeypatch.setattr(ssl.SSLSocket, "do_handshake", do_handshake)
        with pytest.raises(KeyboardInterrupt):
            mail_to(server.port, MAIL_TLS_CA_FILE=ca_file, **STARTTLS).send(message())


def test_a_peer_that_is_gone_when_tls_begins_leaves_nothing_open(monkeypatch):
    """As where the connection is reset between the check that it is there and the first read."""
    made = []

    def getpeername(sock):
        made.append(sock)
        raise OSError(errno.ENOTCONN, "not connected")

    def recv(sock, *args):
        raise ConnectionResetError(errno.ECONNRESET, "reset by peer")

    monkeypatch.setattr(ssl.SSLSocket, "getpeername", getpeername)
    monkeypatch.setattr(ssl.SSLSocket, "recv", recv)
    near, far = socket.socketpair()
    with far, pytest.raises(ConnectionResetError) as caught:
        wrapped(ssl.create_default_context(), near, server_hostname="localhost")

    assert caught.value.__traceback__ is not None  # which holds the frames of the failure
    assert [sock.fileno() for sock in made] == [-1]


def test_nothing_older_than_tls_1_2_is_spoken():
    """RFC 8996."""
    backend = SmtpBackend(server="localhost", use_tls=True)
    assert backend.server.tls_context().minimum_version >= ssl.TLSVersion.TLSv1_2


# Files that change, and classes


class Renewed:
    """A file whose time of writing always differs from the one before."""

    def __init__(self, path):
        self.path = path
        self.second = 1_000_000_000

    def write(self, *pems):
        self.path.write_bytes(b"".join(each.bytes() for each in pems))
        self.second += 10
        os.utime(self.path, (self.second, self.second))


@both_ways
def test_authorities_that_changed_on_disk_are_read_again(way, certified, authority, tmp_path):
    ca_file = Renewed(tmp_path / "ca.pem")
    ca_file.write(trustme.CA().cert_pem)
    with tls_server(way, certified) as server:
        mail = mail_to(server.port, MAIL_TLS_CA_FILE=ca_file.path, **way)
        with pytest.raises(ssl.SSLCertVerificationError):
            mail.send(message())
        ca_file.write(authority.cert_pem)
        assert mail.send(message()).sent
    assert len(server.recorder.accepted) == 1


@both_ways
def test_a_client_certificate_that_changed_on_disk_is_read_again(way, authority, ca_file, tmp_path):
    of_clients = trustme.CA()
    context = context_with(authority.issue_cert("127.0.0.1"))
    context.verify_mode = ssl.CERT_REQUIRED
    of_clients.configure_trust(context)
    own = Renewed(tmp_path / "own.pem")
    own.write(trustme.CA().issue_cert("shop.test").private_key_and_cert_chain_pem)
    with tls_server(way, context) as server:
        mail = mail_to(server.port, MAIL_TLS_CA_FILE=ca_file, MAIL_TLS_CERT_FILE=own.path, **way)
        with pytest.raises(BackendUnavailable):
            mail.send(message())
        own.write(of_clients.issue_cert("shop.test").private_key_and_cert_chain_pem)
        assert mail.send(message()).sent


@pytest.mark.parametrize("damage", ["half", "gone"])
def test_half_of_a_renewal_leaves_what_was_read_before(tmp_path, authority, caplog, damage):
    """A certificate is written before its key."""
    pair = authority.issue_cert("shop.test")
    certificate, key = Renewed(tmp_path / "tls.crt"), Renewed(tmp_path / "tls.key")
    certificate.write(*pair.cert_chain_pems)
    key.write(pair.private_key_pem)
    tls = ClientTLS(cert_file=certificate.path, key_file=key.path)
    before = tls.context()
    renewed = authority.issue_cert("shop.test")
    if damage == "half":
        certificate.write(*renewed.cert_chain_pems)
    else:
        key.path.unlink()
    assert tls.context() is before
    assert "MAIL_TLS_CERT_FILE" in caplog.text
    certificate.write(*renewed.cert_chain_pems)
    key.write(renewed.private_key_pem)
    assert tls.context() is not before
    assert tls.context() is tls.context()


def test_the_authorities_of_the_system_are_read_again(tmp_path, monkeypatch, authority):
    ca_file = Renewed(tmp_path / "ca.pem")
    ca_file.write(authority.cert_pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file.path))
    tls = ClientTLS()
    before = tls.context()
    assert tls.context() is before
    ca_file.write(trustme.CA().cert_pem)
    assert tls.context() is not before


def test_equal_settings_share_a_context(ca_file, tmp_path, authority):
    first = ClientTLS(ca_file=ca_file)
    assert ClientTLS(ca_file=ca_file).context() is first.context()
    unverified = ClientTLS(ca_file=ca_file, verify=False).context()
    assert unverified.verify_mode is ssl.CERT_NONE
    assert first.context().verify_mode is ssl.CERT_REQUIRED
    own = tmp_path / "own.pem"
    own.write_bytes(authority.issue_cert("shop.test").private_key_and_cert_chain_pem.bytes())
    certified = ClientTLS(ca_file=ca_file, cert_file=own).context()
    assert certified is not first.context()
    assert ClientTLS(ca_file=ca_file, cert_file=own).context() is certified
    assert ClientTLS().context() not in (certified, unverified, first.context())


def test_other_authorities_under_the_same_path_are_not_shared(tmp_path, monkeypatch):
    """A path may be relative, and the program may change its folder."""
    contexts = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        Renewed(folder / "ca.pem").write(trustme.CA().cert_pem)
        monkeypatch.chdir(folder)
        contexts.append(ClientTLS(ca_file="ca.pem").context())
    one, two = (each.get_ca_certs(binary_form=True) for each in contexts)
    assert len(one) == len(two) == 1
    assert one != two


def test_system_authorities_of_another_folder_are_not_shared(tmp_path, monkeypatch, ca_file):
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    before = ClientTLS().context()
    assert ClientTLS().context() is before
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert ClientTLS().context() is not before


def test_few_contexts_are_kept(tmp_path, authority):
    ca_file = Renewed(tmp_path / "ca.pem")
    for _ in range(20):
        ca_file.write(authority.cert_pem)
        ClientTLS(ca_file=ca_file.path)
    assert len(tls._contexts) <= tls._MOST_CONTEXTS


def test_threads_make_one_context(tmp_path, authority, monkeypatch):
    ca_file = Renewed(tmp_path / "ca.pem")
    ca_file.write(authority.cert_pem)
    barrier = threading.Barrier(8)

    def make(_):
        barrier.wait()
        return ClientTLS(ca_file=ca_file.path).context()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(make, range(8)))) == 1


def test_unreadable_file_for_another_context_class_is_an_error(tmp_path, authority):
    """The context that was read before wraps no sockets of gevent's."""
    ca_file = Renewed(tmp_path / "ca.pem")
    ca_file.write(authority.cert_pem)
    tls = ClientTLS(ca_file=ca_file.path)
    tls._made_of = (object, *tls._made_of[1:])
    ca_file.path.unlink()
    with pytest.raises(ConfigurationError, match="MAIL_TLS_CA_FILE"):
        tls.context()


PRELOADED = """
import os, sys
from flask import Flask
from flask_mail import Mail, Message

app = Flask("shop")
app.config.update(
    MAIL_SERVER="127.0.0.1",
    MAIL_PORT=int(sys.argv[1]),
    MAIL_TLS_CA_FILE=sys.argv[2],
    MAIL_USE_TLS=sys.argv[3] == "MAIL_USE_TLS",
    MAIL_USE_SSL=sys.argv[3] == "MAIL_USE_SSL",
    MAIL_DEFAULT_SENDER="me@example.com",
)
mail = Mail(app)
mail.send(Message("master", ["to@example.com"], "Hi"))
with mail.connect() as connection:
    child = os.fork()
    if not child:
        from gevent import monkey

        monkey.patch_all()
        receipts = [connection.send(Message("block", ["to@example.com"], "Hi"))]
        receipts.append(mail.send(Message("worker", ["to@example.com"], "Hi")))
        receipts += mail.send_many([Message("batch", ["to@example.com"], "Hi")])
        print(*(each.outcome.name for each in receipts), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.exhaustive
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@both_ways
def test_workers_that_gevent_patches_after_the_master_has_sent_mail_send(way, certified, ca_file):
    """As ``gunicorn -k gevent --preload`` does; each message was a TypeError."""
    pytest.importorskip("gevent")
    with tls_server(way, certified) as server:
        done = subprocess.run(
            [sys.executable, "-c", PRELOADED, str(server.port), ca_file, *way],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.stdout, done.returncode) == ("SENT SENT SENT\n", 0), done.stderr
    assert len(server.recorder.accepted) == 4


@both_ways
def test_tls_checks_the_name_whichever_address_answers(way, authority, ca_file, monkeypatch):
    with tls_server(way, context_with(authority.issue_cert(NAME))) as server:
        named(monkeypatch, server.port, "127.0.0.2", "127.0.0.1")
        settings = {"MAIL_SERVER": NAME, "MAIL_TLS_CA_FILE": ca_file, **way}
        assert mail_to(server.port, **settings).send(message()).sent


def test_a_connection_that_cannot_be_wrapped_is_closed(certified, ca_file, monkeypatch):
    """A ResourceWarning would fail this test."""

    def wrap_socket(context, sock, server_hostname):
        raise KeyboardInterrupt

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        named(monkeypatch, port, "127.0.0.2", "127.0.0.1")
        monkeypatch.setattr("flask_mail.smtp.reaching.WithoutHandshake.wrap_socket", wrap_socket)
        with pytest.raises(KeyboardInterrupt):
            mail_to(port, MAIL_SERVER=NAME, MAIL_USE_SSL=True).send(message())


# Advice


@pytest.mark.parametrize("use_ssl", [True, False])
@pytest.mark.parametrize("how", ["reset", "silence", "end"])
def test_a_reset_is_no_reason_to_advise_tls(how, use_ssl, certified, ca_file):
    """A server that restarts resets connections; one that speaks TLS at once is silent."""

    def script(connection):
        with Dialogue(connection) as talk:
            if use_ssl:
                talk.start_tls(certified)
            if how == "reset":
                connection.close() if use_ssl else talk.reset()
            elif how == "silence":
                talk.wait()

    with scripted_server(script) as port:
        settings = {"MAIL_USE_SSL": use_ssl, "MAIL_TLS_CA_FILE": ca_file, "MAIL_TIMEOUT": 0.5}
        error = failing(port, **settings)
    assert ("set MAIL_USE_SSL" in str(error)) == (how != "reset" and not use_ssl)


def test_a_server_that_greeted_in_clear_is_not_asked_for_tls():
    def script(connection):
        with Dialogue(connection) as talk:
            talk.say("220 scripted")
            talk.hear()

    with scripted_server(script) as port:
        assert "MAIL_USE_SSL" not in str(failing(port))
