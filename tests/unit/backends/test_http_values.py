"""Requests and answers over HTTP."""

from __future__ import annotations

import base64
import json

import pytest

from flask_mail import BackendUnavailable, Message, MessageError
from flask_mail.backends import Outgoing, Secret
from flask_mail.backends.http import Answer, Base64, Request
from flask_mail.mime.content import Content
from flask_mail.util.files import FileData


def head(request: Request, target: str = "", host: str = "api.example.com") -> list[str]:
    return bytes(request.head(target, host)).decode("ascii").split("\r\n")


def octets_of(body) -> bytes:
    return b"".join(bytes(each) for each in body.blocks())


@pytest.mark.parametrize(
    ("target", "path", "expected"),
    [
        ("", "", "/"),
        ("", "/send", "/send"),
        ("", "?to=all", "/?to=all"),
        ("/", "/send", "/send"),
        ("/v1", "", "/v1"),
        ("/v1", "/send?x=1", "/v1/send?x=1"),
        ("/v1/", "/send", "/v1/send"),
        ("/send", "?x=%20", "/send?x=%20"),
    ],
)
def test_path_follows_that_of_the_url(target, path, expected):
    assert head(Request(path), target)[0] == f"POST {expected} HTTP/1.1"


def test_head_has_what_http_needs():
    request = Request("/send", {"a": 1}, {"X-Token": Secret("t0ken"), "user-agent": "Shop"})
    assert head(request) == [
        "POST /send HTTP/1.1",
        "Host: api.example.com",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Content-Type: application/json",
        "X-Token: t0ken",
        "user-agent: Shop",
        "Content-Length: 7",
        "",
        "",
    ]
    assert request.fault() == ("", False)


def test_request_without_a_body_has_no_type():
    request = Request("/quota", method="GET")
    assert head(request)[0] == "GET /quota HTTP/1.1"
    assert "Content-Length: 0" in head(request)
    assert not [each for each in head(request) if each.startswith("Content-Type")]


@pytest.mark.parametrize(
    ("request_", "says", "is_secret"),
    [
        (Request("/a b"), "must be percent-encoded", False),
        (Request("/a\r\nX: y"), "must be percent-encoded", False),
        (Request("/a#b"), "must be percent-encoded", False),
        (Request("/jörg"), "must be percent-encoded", False),
        (Request("send"), "must be percent-encoded", False),
        (Request("/", method="GET /"), "must be percent-encoded", False),
        (Request("/", headers={"Host": "a"}), "'Host'", False),
        (Request("/", headers={"content-length": "1"}), "'content-length'", False),
        (Request("/", headers={"X Y": "1"}), "'X Y'", False),
        (Request("/", headers={"X-Order": "1\r\n2"}), "header X-Order must be", False),
        (Request("/", headers={"Authorization": "Bearer kéy"}), "header Authorization", True),
        (Request("/", headers=[("X", Secret("k\ney", "MAIL_X_KEY"))]), "MAIL_X_KEY must", True),
    ],
)
def test_fault_of_a_request_is_found(request_, says, is_secret):
    fault, concerns_secret = request_.fault()
    assert says in fault
    assert "k\ney" not in fault
    assert "kéy" not in fault
    assert concerns_secret is is_secret


def test_repr_shows_no_header_and_no_body():
    shown = repr(Request("/send", {"key": "k3y-1"}, {"X-Token": "k3y-2"}))
    assert "k3y" not in shown
    assert "k3y" not in repr(Answer(200, {"x": "k3y"}, b"k3y"))


def test_present_value_of_a_callable_is_used():
    keys = iter(["first", "second"])
    request = Request("/", headers={"X-Token": Secret(lambda: next(keys)), "X-Order": "7"})
    current = request.current()
    assert "X-Token: first" in head(current)
    assert "X-Token: first" in head(current)
    with pytest.raises(BackendUnavailable):
        Request("/", headers={"X-Token": Secret(lambda: 1 / 0)}).current()


def test_secrets_are_found_in_headers():
    request = Request(
        "/",
        headers={
            "Authorization": "Bearer abc-key",
            "X-Server-Token": "t0ken",
            "X-Thing": Secret("anything"),
            "Idempotency-Key": "order-42",
            "X-Order": "42",
        },
    )
    found = [each.reveal() for each in request.secrets()]
    assert found == ["abc-key", "t0ken", "anything"]


def test_first_word_of_a_secret_is_only_a_scheme_in_authorization():
    """Neither is the first cookie shown, nor is the word Bearer hidden."""
    request = Request("/", headers={"Cookie": "a=s3cret; b=2", "Proxy-Authorization": "Basic YTpi"})
    assert [each.reveal() for each in request.secrets()] == ["b=2", "a=s3cret; b=2", "YTpi"]


def test_secrets_are_covered_in_an_answer():
    request = Request("/", headers={"Authorization": "Bearer abc-key", "X-Token": Secret("")})
    answer = Answer(200, {"x": "is abc-key"}, b'{"id": "abc-key-1"}').without(request.secrets())
    assert answer.json() == {"id": "***-1"}
    assert answer.headers == {"x": "is ***"}
    never = Secret(lambda: 1 / 0)
    assert answer.without([never]) == answer
    # Masked in words, the answer could not be read any more.
    short = Answer(200, {}, b'{"id": "abc", "key": "a", "name": "\xc3\xa4"}').without([Secret("a")])
    assert short.json() == {"id": "abc", "key": "***", "name": "\xe4"}


@pytest.mark.parametrize("size", [0, 1, 2, 3, 57, 100_000, 400_001])
def test_base64_in_json_is_made_while_it_is_read(size, tmp_path):
    data = bytes(each % 251 for each in range(size))
    (tmp_path / "a.bin").write_bytes(data)
    pieces = Content([data[: size // 2], data[size // 2 :]])
    kinds = [
        Base64(each) for each in (data, bytearray(data), FileData.of(tmp_path / "a.bin"), pieces)
    ]
    for each in kinds:
        body = Request("/", {"before": "é", "file": each, "files": [each], "after": 1}).body
        octets = octets_of(body)
        assert len(octets) == len(body)
        found = json.loads(octets)
        assert found["before"] == "é"
        assert found["after"] == 1
        assert base64.b64decode(found["file"], validate=True) == data
        assert base64.b64decode(found["files"][0], validate=True) == data


def test_base64_of_blocks_of_any_size_is_one_text():
    class Odd:
        octets = Content([b"abcd"])

        def blocks(self):
            yield from (b"a", b"b", b"", b"cdefg", b"h")

    odd = Base64(Odd())
    odd._octets.blocks = Odd().blocks
    assert base64.b64decode(b"".join(odd.base64()), validate=True) == b"abcdefgh"


def test_source_of_a_large_message_is_not_made_as_a_whole(tmp_path):
    (tmp_path / "large.bin").write_bytes(bytes(1_000_000))
    message = Message("Hi", ["bob@example.com"], "Hi", sender="ann@example.com")
    message.attach_file(tmp_path / "large.bin")
    mail = Outgoing.of(message)
    body = Request("/", {"source": Base64(mail)}).body
    assert max(map(len, body.blocks())) < 200_000
    assert base64.b64decode(json.loads(octets_of(body))["source"]) == mail.content
    (tmp_path / "large.bin").unlink()
    with pytest.raises(MessageError, match="cannot be read"):
        octets_of(body)


@pytest.mark.parametrize("value", [{"a": {1, 2}}, {"a": float("nan")}, {"a": b"x"}])
def test_value_that_is_not_json_is_refused(value):
    with pytest.raises((TypeError, ValueError)):
        Request("/", value)


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 15 Jan 2027 08:02:00 GMT", 120.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("9" * 400, 604800.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 604800.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("١٢", None),
        ("Fri, 99 Jan 2027 08:02:00 GMT", None),
    ],
)
def test_retry_after_is_read(value, seconds):
    assert Answer(503, {"retry-after": value}).retry_after(lambda: NOW) == seconds
    assert Answer(503).retry_after() is None


def test_text_in_json_is_found():
    answer = Answer(200, {}, b'{"id": 7, "to": {"name": " Ann "}, "ok": true, "no": null}')
    assert answer.find("id") == "7"
    assert answer.find("to", "name") == "Ann"
    assert [answer.find(each) for each in ("to", "ok", "no", "none")] == ["", "", "", ""]
    assert answer.find("id", "more") == ""
    assert answer.require("id") == "7"
    with pytest.raises(ValueError, match=r"there is no to\.id in the answer"):
        answer.require("to", "id")


@pytest.mark.parametrize("body", [b"", b"no", b"\xff\xfe", b"[" * 60_000])
def test_answer_without_json_raises_value_error(body):
    answer = Answer(200, {}, body)
    assert answer.find("id") == ""
    with pytest.raises(ValueError):  # noqa: PT011 (of json or of codecs)
        answer.json()
    assert isinstance(answer.text, str)
