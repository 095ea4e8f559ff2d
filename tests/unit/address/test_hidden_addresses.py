"""A second address that hides in the first one: mail goes to the one that a careful reader names.

Parsers have taken the hidden one, or both (CVE-2023-27043, CVE-2025-13033). Each value here is
refused with a reason, or is one address, in the envelope and for readers of the header alike.
"""

from __future__ import annotations

from email import policy
from typing import Any

import pytest
from messages import bare
from readers import HAS_SECOND, older_parser
from reading import compose, headers_of

from flask_mail import MessageError
from flask_mail.delivery.outgoing import Outgoing

if HAS_SECOND:
    import fast_mail_parser

GOOD = "good@example.com"
EVIL = "evil@example.net"

# What hides an address, and the one address that it is.
ONE: list[tuple[object, str]] = [
    # in a name
    (f'"{EVIL}" <{GOOD}>', GOOD),
    (f'"{EVIL}," <{GOOD}>', GOOD),
    (f'"<{EVIL}>" <{GOOD}>', GOOD),
    (f'"<{EVIL}>, " <{GOOD}>', GOOD),
    (f'"\\"{EVIL}\\" <{EVIL}>," <{GOOD}>', GOOD),
    (f'"group: {EVIL};" <{GOOD}>', GOOD),
    (f'"a" "{EVIL}" <{GOOD}>', GOOD),
    (f"=?utf-8?q?{EVIL.replace('@', '=40')}?= <{GOOD}>", GOOD),
    (f"=?utf-8?q?=3C{EVIL.replace('@', '=40')}=3E=2C?= <{GOOD}>", GOOD),
    (f"=?utf-8?b?PGV2aWxAZXhhbXBsZS5uZXQ+LA==?= <{GOOD}>", GOOD),
    ((EVIL, GOOD), GOOD),
    ((f"<{EVIL}>", GOOD), GOOD),
    ((f"<{EVIL}>,", GOOD), GOOD),
    ((f'" <{EVIL}>, "', GOOD), GOOD),
    ((f'\\" <{EVIL}>, \\"', GOOD), GOOD),
    ((f"x: {EVIL};", GOOD), GOOD),
    ((f"({EVIL})", GOOD), GOOD),
    ((f"=?utf-8?q?{EVIL.replace('@', '=40')}?=", GOOD), GOOD),
    # in full width, which some map to ASCII
    (("\uff1cevil\uff20example.net\uff1e", GOOD), GOOD),
    # in a quoted local part
    (f'"{EVIL}"@example.com', f'"{EVIL}"@example.com'),
    (f'"{EVIL} x"@example.com', f'"{EVIL} x"@example.com'),
    (f'"{EVIL},"@example.com', f'"{EVIL},"@example.com'),
    (f'"<{EVIL}>"@example.com', f'"<{EVIL}>"@example.com'),
    (f'"x <{EVIL}> "@example.com', f'"x <{EVIL}> "@example.com'),
    (f'"\\"{EVIL}"@example.com', f'"\\"{EVIL}"@example.com'),
    (f'"x\\" <{EVIL}>"@example.com', f'"x\\" <{EVIL}>"@example.com'),
    (f'"@example.net:{EVIL}"@example.com', f'"@example.net:{EVIL}"@example.com'),
    (f'"({EVIL})"@example.com', f'"({EVIL})"@example.com'),
    (f'"x: {EVIL};"@example.com', f'"x: {EVIL};"@example.com'),
    (f'Good <"{EVIL}"@example.com>', f'"{EVIL}"@example.com'),
    (("Good", f'"{EVIL}"@example.com'), f'"{EVIL}"@example.com'),
    # in a local part that is an old route
    ("evil%example.net@example.com", "evil%example.net@example.com"),
    ("example.net!evil@example.com", "example.net!evil@example.com"),
    # in a local part beyond ASCII, where full width is no ASCII
    ("evil\uff20example.net@example.com", "evil\uff20example.net@example.com"),
    # in a comment without an "@", which is the name
    (f"{GOOD} (evil at example.net)", GOOD),
]

# Where a careful reader names two, or none.
NONE: list[object] = [
    # in a comment
    f"{GOOD} ({EVIL})",
    f"{GOOD}({EVIL})",
    f"{GOOD} (<{EVIL}>)",
    f"{GOOD} ((x) {EVIL})",
    f"{GOOD} (x) {EVIL}",
    f"{GOOD} (\\) {EVIL})",
    f"({EVIL}) {GOOD}",
    f"({EVIL}){GOOD}",
    f"good({EVIL})@example.com",
    f"good@({EVIL})example.com",
    f"good@example({EVIL}).com",
    f"Good ({EVIL}) <{GOOD}>",
    f"Good <{GOOD}> ({EVIL})",
    f"Good <{GOOD} ({EVIL})>",
    f"Good <({EVIL}) {GOOD}>",
    # as in CVE-2023-27043
    *(
        f"{GOOD}{special}{EVIL}"
        for special in [*"()<>@,:;.\"[]\\'", " ", "  ", ")<", "(<", ",<", ";<", "]<", '"<', ":<"]
        if special not in (".", "'")
    ),
    *(f"{GOOD}{special}{EVIL}>" for special in ["<", ",<", ")<", "(<", ";<", ":<", " <", '"<']),
    *(f"{special}{GOOD} <{EVIL}>" for special in ["", "(", ")", ",", ";", ":", '"', "[", "]"]),
    f"{GOOD}(<{EVIL}>)",
    f"{GOOD}.{EVIL}",
    f"{GOOD}'{EVIL}",
    # a list, or a name that is no name without quotes
    f"{EVIL} <{GOOD}>",
    f"{EVIL}, <{GOOD}>",
    f"<{EVIL}> <{GOOD}>",
    f"<{EVIL}>, {GOOD}",
    f"<{EVIL}>{GOOD}",
    f"Good <{GOOD}>, Evil <{EVIL}>",
    f"Good <{GOOD}>; Evil <{EVIL}>",
    f"Good <{GOOD}> Evil <{EVIL}>",
    f'"Good" <{GOOD}>, "Evil" <{EVIL}>',
    f'"Good <{GOOD}>, Evil <{EVIL}>',
    f'"Good\\" <{GOOD}>, Evil" <{EVIL}',
    f"Good <{GOOD},{EVIL}>",
    f"Good <{GOOD} {EVIL}>",
    f"Good <{GOOD}><{EVIL}>",
    f"Good <<{GOOD}>{EVIL}>",
    "good@example.com,evil",
    f"evil,{GOOD}",
    f"evil@[192.0.2.1],{GOOD}",
    # a quoted-string that is closed early
    '"evil"@example.net,"@example.com',
    '"evil"@example.net"@example.com',
    f'"a"{EVIL}"@example.com',
    f'"x" <{EVIL}>"@example.com',
    f'"x\\\\" <{EVIL}>"@example.com',
    f'""{EVIL}""@example.com',
    f'"{EVIL}"',
    f'"{EVIL}" ',
    f'"{GOOD}" x',
    f'"{EVIL}"@',
    f'"{EVIL}" @example.com',
    f"'{EVIL}' <{GOOD}>",
    # a route
    f"<@example.net:{GOOD}>",
    f"@example.net:{GOOD}",
    f"<@example.net,@example.org:{GOOD}>",
    f"Good <@example.net:{GOOD}>",
    # a group
    f"group: {GOOD};",
    f"group: {GOOD}, {EVIL};",
    f"group:;{EVIL}",
    f"group: <{EVIL}>; <{GOOD}>",
    f"undisclosed: {EVIL}",
    # another "@"
    "good@example.com@example.net",
    "good@@example.net",
    "good@example.net@",
    f"good\\@{EVIL}",
    "good@example.com\uff20example.net",
    "good@example.com\uff0cevil@example.net",
    "good@example.com\uff1eevil",
    "good@example.net\u2024com@x",
    # a line end, or what some take for one
    *(f"{GOOD}{end}{EVIL}" for end in ["\n", "\r", "\r\n ", "\t", "\0", "\v", "\x85", "\u2028"]),
    # pairs
    ("Good", f"{GOOD}, {EVIL}"),
    ("Good", f"<{GOOD}>, <{EVIL}>"),
    ("Good", f"{EVIL} <{GOOD}>"),
    ("Good", f"{GOOD} ({EVIL})"),
    ("Good", f"{GOOD}> <{EVIL}"),
    ("Good", f"<{GOOD}> <{EVIL}>"),
    ("Good", f"@example.net:{GOOD}"),
    ("Good", f"group: {GOOD};"),
    ("Good\n", GOOD),
    (f"=?utf-8?q?=0ATo=3A_{EVIL.replace('@', '=40')}?=", GOOD),
]


@pytest.mark.parametrize(("value", "address"), ONE, ids=ascii)
def test_mail_goes_to_the_address_that_a_careful_reader_names(value: Any, address: str) -> None:
    mail = Outgoing.of(compose(recipients=[value], sender=value, reply_to=[value]))

    assert mail.envelope.recipients == (address,)
    assert mail.envelope.sender == address
    headers = headers_of(mail.content)
    for name in ("To", "From", "Reply-To"):
        [(_, found)] = older_parser(headers[name])
        assert bare(found) == bare(address)
        [modern] = policy.default.header_factory(name, headers[name]).addresses
        assert f"{modern.username}@{modern.domain}" == bare(address)
    # The reader in Rust takes the first ">" for the end, also in a quoted local part.
    if HAS_SECOND and ">" not in address:
        read = fast_mail_parser.parse_email(mail.content, strict=True)
        assert [each.address for each in (*read.to, *read.reply_to)] == [address] * 2
        assert read.from_.address == address


@pytest.mark.parametrize("value", NONE, ids=ascii)
def test_what_a_careful_reader_cannot_name_is_refused_in_each_field(value: Any) -> None:
    for field in ("recipients", "cc", "bcc", "sender", "reply_to"):
        message = compose(**{field: value if field in ("sender", "reply_to") else [value]})
        with pytest.raises(MessageError, match=r"^The .* cannot be used: ."):
            Outgoing.of(message)


@pytest.mark.parametrize(
    "header", ["Reply-To", "From", "To", "Cc", "Sender", "Resent-To", "Errors-To"]
)
@pytest.mark.parametrize(
    "value",
    [
        f"=?x?q?{EVIL.replace('@', '=40')}=3E=00?={GOOD}",
        f"Bob <=?x?q?{EVIL.replace('@', '=40')}=3E=00?={GOOD}>",
        f"{GOOD}, =?utf-8?q?evil?=@example.com",
        '"=?utf-8?q?evil?="@example.com',
    ],
)
def test_encoded_word_in_an_address_of_an_extra_header_is_refused(header: str, value: str) -> None:
    with pytest.raises(MessageError, match=header):
        Outgoing.of(compose(extra_headers={header: value}))


def test_encoded_name_in_an_extra_header_is_kept() -> None:
    value = f"=?utf-8?q?B=C3=B6b?= <{GOOD}>, {EVIL}"
    mail = Outgoing.of(compose(extra_headers={"Reply-To": value}))
    assert headers_of(mail.content)["Reply-To"] == value
