"""A database server that is restarted, or ends connections, while a worker sends."""

from __future__ import annotations

import pytest
from shop import Shop


@pytest.mark.parametrize("fail", ["restart", "end_connections"])
def test_results_are_kept_until_the_database_is_back(server, fail):
    server.empty()
    with Shop(server.url) as shop:
        for number in range(12):
            shop.send(f"Mail {number}")

        def before(mail):
            if mail.message.subject in {"Mail 3", "Mail 9"}:
                getattr(server, fail)()

        shop.peer.before = before
        shop.work()
        assert shop.states() == ["sent"] * 12
        assert len(shop.peer.taken) == 12
        assert [each[0] for each in shop.told].count("email-dispatched") == 12
