"""The commands of the suppression list."""

from __future__ import annotations

import json

import pytest
from flask_mail_queue.cli import suppressed
from test_suppression import entries, refused, run, send


def test_commands_add_list_and_remove(shop):
    assert run(shop, "add", "Ann@example.com", "bob@example.com").output == "Added: 2\n"
    assert run(shop, "add", "ann@example.com", "--scope", "offers", "--for", "9d").exit_code == 0
    listed = run(shop, "list", "ann@example.com").output.splitlines()
    assert len(listed) == 2
    assert listed[0].startswith("ann@example.com  offers  manual  20")
    assert "  until 20" in listed[0]
    assert listed[0].endswith("  command")
    found = json.loads(
        run(shop, "list", "--scope", "offers", "--reason", "manual", "--json").output
    )
    assert [each["address"] for each in found] == ["ann@example.com"]
    assert run(shop, "list", "--reason", "bounce").output == ""
    refused(shop, "bob@example.com")
    assert run(shop, "remove", "bob@example.com").output == "Removed: 1\n"
    send(shop, "bob@example.com")
    assert run(shop, "remove", "ann@example.com", "--scope", "offers").exit_code == 0
    assert entries(shop) == [("ann@example.com", "*", "manual")]
    gone = run(shop, "remove", "bob@example.com")
    assert gone.exit_code == 1
    assert "Not on the list: bob@example.com." in gone.output


def test_what_is_not_an_address_is_not_added(shop):
    assert "is not an address" in run(shop, "add", "ann@example.com", "ann").output
    assert entries(shop) == []


def test_a_file_of_addresses_is_imported(shop, tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("# exported\nann@example.com\n\n  Bob@example.com \n", encoding="utf-8")
    done = run(shop, "import", str(file), "--reason", "bounce")
    assert done.output == "Added: 2\n"
    assert entries(shop) == [("ann@example.com", "*", "bounce"), ("bob@example.com", "*", "bounce")]


def test_a_csv_file_of_a_service_is_imported(shop, tmp_path):
    file = tmp_path / "list.csv"
    text = (
        "Created,Email,Reason,List\n"
        "2026-01-01,ann@example.com,complaint,\n"
        "2026-01-02,bob@example.com,other,offers\n"
        "2026-01-03,nonsense,bounce,\n"
        "2026-01-04\n"
    )
    file.write_text(f"\ufeff{text}", encoding="utf-8")
    done = run(shop, "import", str(file))
    assert done.exit_code == 1
    assert "Added: 2\n" in done.output
    assert "Not addresses: line 4, line 5." in done.output
    assert entries(shop) == [
        ("ann@example.com", "*", "complaint"),
        ("bob@example.com", "offers", "manual"),
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("jörg@example.com\n".encode("latin-1"), "not CSV in UTF-8"),
        ("ann@example.com\n".encode("utf-16"), "not CSV in UTF-8"),
        (b"x" * 200_000 + b"@example.com\n", "not CSV in UTF-8"),
        (b"Email;Reason\nann@example.com;complaint\n", "Not addresses: line 1, line 2."),
    ],
    ids=["latin-1", "utf-16", "field", "semicolons"],
)
def test_file_in_another_format_is_an_error_and_adds_nothing(shop, tmp_path, content, says):
    """A program would go on to send mail to addresses that it takes for suppressed."""
    file = tmp_path / "list.csv"
    file.write_bytes(content)
    done = run(shop, "import", str(file))
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 1
    assert says in done.output
    assert entries(shop) == []


def test_the_standard_input_is_imported(shop):
    assert run(shop, "import", "-", input="ann@example.com\n").output == "Added: 1\n"


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_of_a_long_import_is_shown_on_a_terminal(shop, monkeypatch, count, is_terminal):
    monkeypatch.setattr(suppressed, "_AT_ONCE", 2)
    monkeypatch.setattr(suppressed, "_is_terminal", lambda stream: is_terminal)
    addresses = "".join(f"ann{number}@example.com\n" for number in range(count))
    done = run(shop, "import", "-", input=addresses)
    assert done.stdout == f"Added: {count}\n"
    assert ("Adding" in done.stderr) is (is_terminal and count > 2)
    assert len(entries(shop)) == count
