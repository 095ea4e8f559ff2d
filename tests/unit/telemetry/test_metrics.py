"""Metrics: durations, refusals, and the backlog of queues."""

from __future__ import annotations

from flask import Flask
from servers import Recorder, mail_to, smtp_server
from telemetry_support import Telemetry

from flask_mail import Message

ANSWERS = {"nobody@example.com": "550 5.1.1 unknown", "busy@example.com": "450 4.2.1 later"}


def hello(*recipients):
    return Message("Hello", list(recipients), "Hi")


def values(points, *names):
    return sorted((*(point.attributes[name] for name in names), point) for point in points)


def test_durations_are_measured_by_mailer_and_outcome():
    with smtp_server(Recorder(answers=ANSWERS)) as running, Telemetry() as telemetry:
        mail = mail_to(running.port)
        telemetry.instrument(mail.app)
        receipts = mail.send_many(
            hello(f"{name}@example.com") for name in ("ann", "bob", "nobody", "busy")
        )
        points = telemetry.points("mail.send.duration")
    found = {tuple(sorted(dict(point.attributes).items())): point for point in points}
    of_mailer = ("mail.mailer", "default")
    assert {key: point.count for key, point in found.items()} == {
        (of_mailer, ("mail.outcome", "sent")): 2,
        (of_mailer, ("mail.outcome", "refused")): 1,
        (of_mailer, ("mail.outcome", "not sent")): 1,
    }
    sent = found[of_mailer, ("mail.outcome", "sent")]
    assert sent.sum == sum(each.seconds for each in receipts[:2])
    assert sent.explicit_bounds[0] == 0.005


def test_refused_recipients_are_counted():
    with smtp_server(Recorder(answers=ANSWERS)) as running, Telemetry() as telemetry:
        mail = mail_to(running.port)
        telemetry.instrument(mail.app)
        mail.send_many(
            [
                hello("ann@example.com"),
                hello("ann@example.com", "nobody@example.com", "busy@example.com"),
                hello("nobody@example.com"),
            ]
        )
        (point,) = telemetry.points("mail.refused")
    assert (point.value, dict(point.attributes)) == (3, {"mail.mailer": "default"})


def test_a_content_that_is_refused_counts_for_each_recipient():
    with smtp_server(Recorder(answers={"DATA": "554 5.7.1 no"})) as running, Telemetry() as found:
        mail = mail_to(running.port)
        found.instrument(mail.app)
        mail.send_many([hello("ann@example.com", "bob@example.com")])
        assert [point.value for point in found.points("mail.refused")] == [2]


def test_the_backlog_of_queues_is_measured_when_metrics_are_collected():
    backlog = {"shop": (3, 1.5), "bulk": (0, 0.0)}
    app, other = Flask("shop"), Flask("other")
    with Telemetry() as telemetry, Telemetry() as elsewhere:
        for each in (app, other):
            telemetry.instrument(each)
        elsewhere.instrument(Flask("third"))
        app.extensions["mail_telemetry"].observe("queue", lambda: {"gone": (1, 1.0)})
        app.extensions["mail_telemetry"].observe("queue", lambda: backlog)
        for name, number in (("mail.queue.due", 0), ("mail.queue.oldest", 1)):
            points = telemetry.points(name)
            assert {point.attributes["mail.mailer"]: point.value for point in points} == {
                mailer: found[number] for mailer, found in backlog.items()
            }
            assert elsewhere.points(name) == []
