"""Several queues in one database, each with its own rules."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from flask.cli import ScriptInfo
from flask_mail_queue.cli.work import work
from flask_mail_queue.queues import contents_of, declared, queues_of
from shop import Peer, Shop

from flask_mail import ConfigurationError, Message, MessageRefused, Outcome

DAY = 86400 * 10**6
KEY = Fernet.generate_key().decode()


@pytest.fixture
def shop(url):
    """An app whose second queue, "news", keeps everything under a seal and for longer."""
    with Shop(url, RETENTION=5 * 86400, KEEP="nothing") as shop:
        add(shop, "news", KEEP="everything", KEY=KEY)
        yield shop


def add(shop, name, target="letters", **options):
    mailers = shop.app.config["MAIL_MAILERS"]
    given = {"BACKEND": "queue", "MAILER": target, "URL": mailers["default"]["URL"], **options}
    mailers.update({name: given, target: {"BACKEND": Peer}})


def send_news(shop, **options):
    message = Message("News", ["ann@example.com"], "Hello.", options={"queue": options})
    shop.mail.using("news").send(message)


def run_work(shop, mailer="peer"):
    info = ScriptInfo(create_app=lambda: shop.app)
    return shop.app.test_cli_runner().invoke(work, ["--once", "--mailer", mailer], obj=info)


def test_a_worker_of_one_mailer_deletes_by_the_rules_of_each(shop):
    letters = shop.app.extensions["mail"].selection.build("letters")
    letters.script = [MessageRefused("No.")]
    shop.send()
    send_news(shop)
    send_news(shop)
    shop.work()
    table = shop.store.tables.queue
    shop.execute(table.update().values(finished_at=table.c.finished_at - 8 * DAY))
    shop.work(mailers=["peer"])
    assert sorted((row["mailer"], row["state"]) for row in shop.rows()) == [
        ("letters", "refused"),
        ("letters", "sent"),
    ]
    assert all(shop.row(row["id"])["record"] is not None for row in shop.rows())
    shop.execute(table.update().values(finished_at=table.c.finished_at - 30 * DAY))
    shop.work(mailers=["peer"])
    assert shop.rows() == []


def test_a_worker_of_one_mailer_reports_what_another_ones_mail_became(shop):
    send_news(shop, expires=60)
    shop.execute(shop.store.tables.queue.update().values(expires_at=1))
    run_work(shop, "peer")
    assert shop.states() == ["expired"]
    assert shop.told[-1] == ("email-failed", "News", "not sent")


def test_the_command_sends_only_the_mail_of_its_mailer(shop):
    shop.send()
    send_news(shop)
    done = run_work(shop, "letters")
    assert done.output == "letters: peer\nMessages: 1 (1 sent)\n"
    assert shop.states() == ["queued", "sent"]


def test_a_queue_is_found_once_also_as_part_of_a_composite_of_itself(shop):
    mailers = shop.app.config["MAIL_MAILERS"]
    mailers["all"] = {"BACKEND": "failover", "MAILERS": ["all", "default", "news"]}
    assert [each.name for each in declared(shop.app)] == ["default", "news"]


class Broken(Peer):
    @classmethod
    def parts(cls, options):
        return options["mailers"]


def test_a_mailer_that_cannot_name_its_parts_hides_no_queue(shop):
    shop.app.config["MAIL_MAILERS"]["broken"] = {"BACKEND": Broken}
    assert [each.name for each in declared(shop.app)] == ["default", "news"]
    assert shop.send().outcome is Outcome.QUEUED
    del shop.app.config["MAIL_MAILERS"]["broken"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [({"BACKEND": Broken}, "KeyError"), ({"BACKEND": "smpt"}, "smpt")],
)
def test_a_worker_warns_of_a_mailer_that_cannot_name_its_parts(shop, caplog, broken, reason):
    shop.app.config["MAIL_MAILERS"]["broken"] = broken
    shop.send()
    done = run_work(shop)
    assert done.exit_code == 0, done.output
    assert shop.states() == ["sent"]
    (warning,) = {each for each in caplog.messages if "left out" in each}
    assert "'broken'" in warning
    assert reason in warning


def test_a_queue_that_was_asked_for_and_cannot_name_its_parts_is_an_error(shop):
    shop.app.config["MAIL_MAILERS"]["broken"] = {"BACKEND": Broken}
    with pytest.raises(KeyError):
        queues_of(shop.app, "broken")


def test_a_row_of_a_mailer_without_a_queue_is_read_without_a_key(shop):
    send_news(shop)
    queues = queues_of(shop.app)
    record = shop.row(1)["record"]
    assert contents_of(queues, "letters").mail_of(record).message.subject == "News"
    with pytest.raises(ConfigurationError, match="sealed"):
        contents_of(queues[1:], "peer").read(record)


def test_a_name_selects_all_queues_of_its_database(shop, tmp_path):
    add(shop, "other", "far", URL=f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(ConfigurationError, match="several databases"):
        queues_of(shop.app)
    assert {each.target for each in queues_of(shop.app, "news")} == {"peer", "letters"}
    assert {each.target for each in queues_of(shop.app, "other")} == {"far"}
    del shop.app.config["MAIL_MAILERS"]["other"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("KEEP", "everything"), ("KEY", KEY), ("RETENTION", 60)],
    ids=["KEEP", "KEY", "RETENTION"],
)
def test_two_queues_with_different_rules_for_one_mailer_are_refused(url, name, value):
    with Shop(url) as shop:
        add(shop, "second", "peer")
        assert len(queues_of(shop.app)) == 2
        add(shop, "second", "peer", **{name: value})
        both = rf"\['default'\]\['{name}'\] and MAIL_MAILERS\['second'\]\['{name}'\] differ"
        with pytest.raises(ConfigurationError, match=both) as caught:
            queues_of(shop.app)
        assert str(value) not in str(caught.value)
        add(shop, "second", "peer", TABLES="second", **{name: value})
        assert len(queues_of(shop.app, "second")) == 1
        del shop.app.config["MAIL_MAILERS"]["second"]
