"""Messages that have broken mail libraries: each by its name, and what must be refused."""

from __future__ import annotations

from typing import Any

from messages import Draft, File

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))

AWKWARD: dict[str, Draft] = {
    # subjects
    "emoji-subject": Draft(subject="🎉 Party 👩‍👩‍👧‍👦 at 🏠 🇪🇺" + " 🎈" * 30),
    "cjk-subject": Draft(subject="件名:" + "長い日本語の題名です。" * 12, body="本文\n"),
    "iso-2022-jp": Draft(subject="会議の件", body="会議は月曜日です。\n", charset="shift_jis"),
    "euc-kr": Draft(subject="안녕하세요", body="안녕하세요, 세상\n", charset="euc-kr"),
    "koi8-r": Draft(subject="Привет, мир", body="Привет, мир\n" * 20, charset="koi8-r"),
    "latin-1": Draft(subject="Übergröße", body="Grüße aus Köln\n", charset="iso-8859-1"),
    "latin-1-cannot-say-it": Draft(subject="Π ≈ 3", body="Π ≈ 3\n", charset="iso-8859-1"),
    "combining-at-folds": Draft(
        subject="x" + "a\u0301" * 120, sender=("xy" + "o\u0308" * 40, "o@example.com")
    ),
    "subject-of-spaces": Draft(subject="   "),
    "spaces-in-subject": Draft(subject=" two  spaces, \u3000and  more "),
    "subject-of-900": Draft(subject="word " * 180 + "end"),
    "subject-without-spaces": Draft(subject="x" * 2000),
    "subject-like-a-header": Draft(subject="Subject: From: X-Header: =?utf-8?"),
    # names and addresses
    "right-to-left-names": Draft(
        subject="שלום مرحبا",
        sender=("שלום עולם", "shalom@example.com"),
        to=(("مرحبا بالعالم", "marhaba@example.com"), ("a\u202eb\u202c", "bidi@example.com")),
    ),
    "very-long-words": Draft(
        sender=("x" * 300, "x@example.com"),
        to=(("é" * 200, "e@example.com"),),
        headers=(("References", " ".join(f"<{'r' * 60}{i}@example.com>" for i in range(12))),),
        body="x" * 5000 + " " + "é" * 3000,
    ),
    "500-recipients": Draft(
        to=tuple((f"Númber {i}, Jr.", f"n{i}@example.com") for i in range(300)),
        cc=tuple(("", f"c{i}@example.com") for i in range(200)),
    ),
    "names-with-specials": Draft(
        sender=('Joe "the \\ Boss", Jr.', "joe@example.com"),
        to=(
            ("Doe, John", "john@example.com"),
            ("a@b <c@d>; (comment)", "specials@example.com"),
            ("O'Brien & Söhne: Support", "support@example.com"),
            ("=?utf-8?q?not", "word@example.com"),
            ("\\", "backslash@example.com"),
            ('"', "quote@example.com"),
        ),
        reply_to=(("Team, A", "a@example.com"), ("", "b@example.com")),
    ),
    "odd-addresses": Draft(
        sender=("", '"very.(),:;<[]\\".x.\\"very@\\\\ \\"very\\".unusual"@example.com'),
        to=(
            ("", "a+b=c/d?e'f@example.com"),
            ("", '"a b"@example.com'),
            ("Space", '" "@example.com'),
            ("", "postmaster@[192.0.2.1]"),
            ("Six", "postmaster@[IPv6:2001:db8::1]"),
            ("", "info@bücher.example"),
            ("例え", "info@例え.テスト"),
            ("", f"{'l' * 64}@{'a' * 63}.{'b' * 63}.example"),
        ),
    ),
    "addresses-beyond-ascii": Draft(
        sender=("Jörg", "jörg@example.com"),
        to=(("", "用户@例え.テスト"), ("Zoë, Dr.", "zoë.b@faß.de"), ("", '"jörg b"@example.com')),
    ),
    # texts
    "empty-body": Draft(body=""),
    "nul": Draft(body="a\0b\0", alts=(("html", "<p>\0</p>"),)),
    "line-ends": Draft(body="cr\rlf\ncrlf\r\nlf cr\n\rend\r", alts=(("html", "<p>\r\r\n\n</p>"),)),
    "looks-like-the-protocol": Draft(
        body=".\n..\nFrom me\n>From you\n\n.\nQUIT\nMAIL FROM:<evil@example.com>\n--\n-- \n.\n"
    ),
    "white-space-at-line-ends": Draft(body="space \ntab\t\n \n\t\n=20\n=\n soft= \n"),
    "lines-of-998-and-999": Draft(body="a" * 998 + "\n", alts=(("html", "b" * 999 + "\n"),)),
    "controls-in-the-body": Draft(body="\x1b[31m \x07 \x08 \x0b \x0c \x85 \u2028 \x7f \ufeff\n"),
    "looks-like-a-boundary": Draft(
        body="--=_0\n\n--=_0--\n", alts=(("html", "--=_\nContent-Type: text/html\n\nx\n"),)
    ),
    "20-alternatives": Draft(alts=tuple((f"x-kind-{i}", f"This is {i} ✓.\n") for i in range(20))),
    # attachments
    "only-attachments": Draft(
        body="", files=(File("a.bin", "application/octet-stream", bytes(256)),) * 2
    ),
    "odd-file-names": Draft(
        files=tuple(
            File(name, "application/octet-stream", b"data")
            for name in (
                'quo"te.txt',
                "back\\slash.txt",
                "comma, semicolon; equals=.txt",
                "it's 100%.txt",
                "../../etc/passwd",
                "Übersicht 2024 \u2013 Größe ✓.pdf",
                "📎.png",
                "  spaces  .txt",
                "long " + "名" * 100 + ".txt",
                "x" * 200 + ".txt",
                "utf-8''a.txt",
                "",
            )
        )
    ),
    "embedded-images": Draft(
        body="See the images.\n",
        alts=(("html", '<img src="cid:logo"><img src="cid:two@example.com">'),),
        files=(
            File("logo.png", "image/png", PNG, "logo"),
            File("", "image/png", PNG, "two@example.com"),
            File("terms.pdf", "application/pdf", b"%PDF-"),
        ),
    ),
    "attached-messages": Draft(
        files=(
            File("", "message/rfc822", Draft(subject="✓", files=(File("a", "text/csv", b","),))),
            File(
                "forwarded.eml",
                "message/rfc822",
                Draft(
                    sender=("", "jörg@example.com"),
                    files=(File("", "message/rfc822", Draft(body="innermost\n")),),
                ),
            ),
        )
    ),
    "text-files": Draft(
        files=(
            File("mixed.txt", "text/plain", b"cr\rlf\ncrlf\r\n.\r\nno line end"),
            File("latin.csv", "text/csv", "é;ü\n".encode("latin-1")),
        )
    ),
    # headers
    "further-headers": Draft(
        headers=(
            ("List-Unsubscribe", f"<https://example.com/{'u' * 120}>, <mailto:u@example.com>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("In-Reply-To", "<1@example.com>"),
            ("X-Text", "Grüße  aus Köln " * 10),
            ("X-Empty", ""),
        )
    ),
}

# What is refused, and the reason that is told.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a newline in the subject": ({"subject": "a\nBcc: b@c.d"}, r"subject.*U\+000A"),
    "a carriage return in the subject": ({"subject": "a\rBcc: b@c.d"}, r"subject.*U\+000D"),
    "NUL in the subject": ({"subject": "a\0"}, r"subject.*U\+0000"),
    "a lone surrogate in the subject": ({"subject": "a\ud83d"}, r"subject.*U\+D83D"),
    "a lone surrogate in a name": ({"recipients": [("\udc80", "a@b.c")]}, r"recipient.*U\+DC80"),
    "a newline in a name": ({"recipients": [("a\nb", "a@b.c")]}, r"recipient.*U\+000A"),
    "a newline in an address": ({"cc": ["a@b.c\n,d@e.f"]}, r"cc.*U\+000A"),
    "a lone surrogate in the body": ({"body": "ab\udcff"}, "body.*surrogate at character 2"),
    "a lone surrogate in the HTML": ({"html": "\ud800"}, "'html'.*surrogate at character 0"),
    "a newline in a header": ({"extra_headers": {"X-A": "a\r\nB: c"}}, r"X-A.*U\+000D"),
    "a newline in a file name": ({"filename": "a\n.txt"}, r"attachment name.*U\+000A"),
    "NUL in a file name": ({"filename": "a\0.txt"}, r"attachment name.*U\+0000"),
    "a lone surrogate in a file name": ({"filename": "\udcff.txt"}, r"attachment name.*U\+DCFF"),
}
