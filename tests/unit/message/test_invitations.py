"""Calendar invitations: Message.invite() and Message.invite_from()."""

from __future__ import annotations

import sys
from datetime import date, datetime, timedelta, timezone
from email import message_from_bytes, policy

import icalendar
import pytest
from flask import Flask

from flask_mail import ConfigurationError, Mail, Message, MessageError

FOUR = datetime(2026, 7, 3, 16, tzinfo=timezone(timedelta(hours=2)))
FIVE = FOUR + timedelta(hours=1)
ICS = "BEGIN:VCALENDAR\nVERSION:2.0\nMETHOD:Reply\nSUMMARY:Tür\nEND:VCALENDAR\n"


def tea(**fields):
    fields = {"recipients": ["ann@example.com"], "sender": "Shop <shop@example.com>", **fields}
    return Message("Tea", body="Friday, 4 pm.", **fields)


def invited(message=None, **given):
    message = message or tea()
    message.invite(
        **{"uid": "tea-7", "start": FOUR, "end": FIVE, "summary": "Tea, cake; more", **given}
    )
    return message


def parts_of(message):
    parsed = message_from_bytes(message.as_bytes(), policy=policy.default)
    return {part.get_content_type(): part for part in parsed.walk()}


def event_in(message):
    part = parts_of(message)["text/calendar"]
    calendar = icalendar.Calendar.from_ical(part.get_payload(decode=True))
    [event] = calendar.walk("VEVENT")
    return event


def attendees_in(message):
    found = event_in(message).get("attendee", [])
    return [str(each) for each in (found if isinstance(found, list) else [found])]


def test_an_invitation_is_an_alternative_and_an_attachment():
    message = invited(tea(html="<p>Friday"))
    parts = parts_of(message)
    assert list(parts) == [
        "multipart/mixed",
        "multipart/alternative",
        *("text/plain", "text/html", "text/calendar", "application/ics"),
    ]
    shown, attached = parts["text/calendar"], parts["application/ics"]
    assert shown["Content-Type"].params["method"] == "REQUEST"
    assert shown["Content-Type"].params["charset"] == "utf-8"
    assert attached.get_filename() == "invite.ics"
    # A transport may add or drop the last line end of text.
    assert shown.get_payload(decode=True).rstrip() == attached.get_payload(decode=True).rstrip()


def test_the_event_has_what_was_given():
    event = event_in(
        invited(location="Küche", description="One\r\ntwo, three", sequence=2, uid="tea-8")
    )
    assert (event["uid"], event["summary"], event["sequence"]) == ("tea-8", "Tea, cake; more", 2)
    assert (event["location"], event["description"]) == ("Küche", "One\ntwo, three")
    assert (event["dtstart"].dt, event["dtend"].dt) == (FOUR, FIVE)
    assert event["dtstart"].dt.utcoffset() == timedelta()
    assert event["status"] == "CONFIRMED"


def test_the_sender_invites_the_recipients_that_others_may_see():
    message = invited(
        tea(recipients=[("Ann", "ann@example.com")], cc=["bob@example.com"], bcc=["eve@x.example"])
    )
    assert event_in(message)["organizer"] == "mailto:shop@example.com"
    assert event_in(message)["organizer"].params["CN"] == "Shop"
    assert attendees_in(message) == ["mailto:ann@example.com", "mailto:bob@example.com"]
    ann = event_in(message)["attendee"][0].params
    assert (ann["CN"], ann["RSVP"], ann["PARTSTAT"]) == ("Ann", "TRUE", "NEEDS-ACTION")
    assert b"eve@x.example" not in message.as_bytes()


def test_the_organizer_and_the_attendees_may_be_others():
    message = invited(organizer=("Al", "al@example.com"), attendees=[('"B", C;', "b@example.com")])
    event = event_in(message)
    assert (str(event["organizer"]), attendees_in(message)) == (
        *("mailto:al@example.com", ["mailto:b@example.com"]),
    )
    assert event["attendee"].params["CN"] == "'B', C;"


def test_an_odd_local_part_is_encoded():
    message = invited(attendees=['"a,b:c"@example.com'])
    assert attendees_in(message) == ["mailto:%22a%2Cb%3Ac%22@example.com"]


@pytest.mark.parametrize(
    ("method", "status", "asks"),
    [("REQUEST", "CONFIRMED", True), ("PUBLISH", "CONFIRMED", False), ("CANCEL", "CANCELLED", 0)],
)
def test_only_a_request_asks_for_an_answer(method, status, asks):
    message = invited(method=method)
    event = event_in(message)
    assert event["status"] == status
    assert ("RSVP" in event["attendee"].params) == bool(asks)
    assert parts_of(message)["text/calendar"]["Content-Type"].params["method"] == method


def test_dates_make_an_event_of_whole_days():
    event = event_in(invited(start=date(2026, 7, 3), end=date(2026, 7, 5)))
    assert (event["dtstart"].dt, event["dtend"].dt) == (date(2026, 7, 3), date(2026, 7, 5))


@pytest.mark.parametrize("sent", [86400.0, datetime(1970, 1, 2, tzinfo=timezone.utc)])
def test_the_event_is_dated_as_the_message(sent):
    stamp = event_in(invited(tea(date=sent)))["dtstamp"].dt
    assert stamp == datetime(1970, 1, 2, tzinfo=timezone.utc)


def test_an_invitation_with_a_seed_is_reproducible():
    first, second = (invited(tea(seed="tea")) for _ in range(2))
    assert first.as_bytes() == second.as_bytes()


def test_a_second_invitation_replaces_the_first():
    message = tea()
    message.alts["calendar"] = "BEGIN:VCALENDAR"
    message.attach("menu.txt", "text/plain", "Cake")
    invited(message)
    invited(message, method="CANCEL", sequence=1)
    assert list(message.alts) == ["calendar; method=CANCEL"]
    assert [each.filename for each in message.attachments] == ["menu.txt", "invite.ics"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"method": "REPLY"}, "The method 'REPLY' is not one of"),
        ({"start": datetime(2026, 7, 3, 16)}, "The start of an event needs a time zone"),
        ({"end": "tomorrow"}, "The end of an event must be a datetime or a date"),
        ({"end": FOUR}, "must be later than its start"),
        ({"end": date(2026, 7, 4)}, "must be later than its start"),
        ({"sequence": -1}, "The sequence must be"),
        ({"sequence": "1"}, "The sequence must be"),
        ({"uid": "a\nb"}, "The uid"),
        ({"summary": "a\r\nATTENDEE:x"}, "The summary"),
        ({"description": "a\x00"}, "The description"),
        ({"location": "a\x1b"}, "The location"),
        ({"organizer": "shop"}, "The organizer 'shop'"),
        ({"attendees": ["a@example.com\nX:y"]}, "The attendee"),
    ],
)
def test_a_wrong_value_is_refused_and_adds_nothing(given, problem):
    message = tea()
    with pytest.raises(MessageError, match=problem):
        invited(message, **given)
    assert (message.alts, message.attachments) == ({}, [])


def test_without_icalendar_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "icalendar", None)
    with pytest.raises(ConfigurationError, match=r"icalendar.*\[calendar\]"):
        invited()


@pytest.mark.parametrize("ics", [ICS, ICS.encode(), ICS.encode("utf-8-sig"), ICS.upper()])
def test_an_invitation_from_text_has_its_method(ics):
    message = tea()
    message.invite_from(ics)
    assert list(message.alts) == ["calendar; method=REPLY"]
    lines = message.attachments[0].data.decode().split("\r\n")
    assert (lines[0], lines[3].upper()) == ("BEGIN:VCALENDAR", "SUMMARY:TÜR")


@pytest.mark.parametrize(
    "ics",
    ["", "METHOD:REQUEST", "BEGIN:VCALENDAR\nX:METHOD:REQUEST", ICS.encode("latin-1"), None, 5],
)
def test_what_is_not_an_invitation_is_refused(ics):
    with pytest.raises(MessageError, match="with a METHOD"):
        tea().invite_from(ics)


def test_an_invitation_is_sent_and_kept_in_records():
    app = Flask(__name__)
    app.config["MAIL_BACKEND"] = "locmem"
    mail = Mail(app)
    message = Message.from_dict(invited().to_dict())
    assert mail.send(message)
    assert event_in(mail.outbox[0])["uid"] == "tea-7"
