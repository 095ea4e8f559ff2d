"""Uses of the test kit, only for mypy: nothing runs this file."""

from __future__ import annotations

import re
from unittest import TestCase

from typing_extensions import assert_type

from flask_mail import Attachment, BackendUnavailable, Message, MessageRefused, Receipt
from flask_mail.testing import MailTestMixin, Outbox, find_code, find_links


def uses(outbox: Outbox, addresses: list[str], patterns: dict[re.Pattern[str], str]) -> None:
    assert_type(outbox.last, Message)
    assert_type(outbox[0], Message)
    assert_type(outbox[1:], list[Message])
    assert_type(outbox.to(("Ann", "ann@example.com")), list[Message])
    assert_type(outbox.receipts, list[Receipt])
    assert_type(outbox.failed_receipts, list[Receipt])
    assert_type(find_links(outbox.last), list[str])
    assert_type(find_code(outbox.last, digits=8), str)

    assert_type(outbox.assert_sent(), Message)
    assert_type(outbox.assert_sent(to="ann@example.com", within=2), Message)
    assert_type(outbox.assert_sent(to=addresses, count=2), list[Message])
    outbox.assert_sent(to=[("Ann", "ann@example.com"), "bob@example.com"], subject=re.compile("a"))
    outbox.assert_sent(attachment=lambda each: isinstance(each, Attachment), html=None)
    outbox.assert_not_sent(headers={"Reply-To": re.compile("help"), "X-Order": "7"})
    outbox.assert_sent(tag="welcome", metadata={"order": re.compile("47")})
    outbox.assert_sent(mailer="bulk")
    assert_type(outbox.to("ann@example.com", mailer="bulk"), list[Message])
    assert_type(outbox.last.mailer, str)
    outbox.assert_sent(subjet="Hello")  # type: ignore[call-overload]
    outbox.assert_sent(subject=7)  # type: ignore[call-overload]
    outbox.assert_not_sent(count=1)  # type: ignore[call-arg]

    outbox.fail_next(MessageRefused)
    outbox.fail_next(BackendUnavailable("Down."), times=None)
    outbox.fail_next(MessageRefused, mailer="bulk")
    outbox.fail_next("Down.")  # type: ignore[arg-type]
    outbox.refuse(re.compile("bad"), 450, "busy", enhanced="4.2.1")
    outbox.assert_matches("welcome", replace=patterns)
    outbox.assert_matches("welcome", outbox[0], replace={"a": "b"})


class ShopTest(MailTestMixin, TestCase):
    def runTest(self) -> None:
        assert_type(self.outbox, Outbox)
        assert not self.outbox
