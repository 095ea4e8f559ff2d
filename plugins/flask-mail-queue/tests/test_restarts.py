"""A database server that is restarted while a worker sends."""

from __future__ import annotations

import pytest
from databases import is_installed, postgres
from shop import Shop


@pytest.mark.skipif(not is_installed(), reason="PostgreSQL is not installed")
def test_results_are_kept_until_the_database_is_back():
    pytest.importorskip("psycopg")
    with postgres() as server, Shop(server.url) as shop:
        for number in range(12):
            shop.send(f"Mail {number}")

        def restart(mail):
            if mail.message.subject in {"Mail 3", "Mail 9"}:
                server.stop()
                server.start()

        shop.peer.before = restart
        shop.work()
        assert shop.states() == ["sent"] * 12
        assert len(shop.peer.taken) == 12
        assert [each[0] for each in shop.told].count("email-dispatched") == 12
