"""Results as text: tables for people who read them, in Markdown."""

from __future__ import annotations

from typing import Any

from .targets import TARGETS

Rows = list[list[str]]


def table(rows: Rows) -> str:
    """Return rows, of which the first is the heading, as a table of Markdown."""
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def figure(entry: dict[str, Any] | None, shows: str) -> str:
    """Return what a table says of an entry."""
    if entry is None:
        return ""
    if "skipped" in entry:
        return "not installed"
    parts = []
    if "seconds" in entry:
        if shows == "rate":
            text = f"{1 / entry['seconds']:,.0f}/s"
        else:
            text = period(entry["seconds"])
            if "round_trips" in entry:
                text += f" = {entry['round_trips']:.2f} rt"
        parts.append(text + factor(entry.get("times")))
    if "above" in entry:
        parts.append(f"{period(entry['above'])} above")
    if "growth" in entry:
        parts.append(f"{entry['growth'] / 1024:.1f} MiB{factor(entry.get('smaller'))}")
    if "doubled" in entry:
        counts = (("doubled", "twice"), ("lost", "never"), ("unknown", "reported as unknown"))
        parts += [f"{entry[name]:.0f} {text}" for name, text in counts]
    return ", ".join(parts) or "failed"


def period(seconds: float) -> str:
    """Return a time with three digits or more."""
    value, unit = (seconds * 1e6, "µs") if abs(seconds) < 0.001 else (seconds * 1000, "ms")
    digits = 0 if value >= 1000 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}"


def factor(times: float | None) -> str:
    """Return how many times as good as Flask-Mail 0.10 something is, in brackets."""
    if times is None:
        return ""
    return f" ({times:.{0 if times >= 20 else 1 if times >= 2 else 2}f}x)"


def group_table(group: dict[str, Any]) -> str:
    """Return a group's cells side by side."""
    cells = group["cells"]
    labels = list(dict.fromkeys(entry["label"] for cell in cells for entry in cell["entries"]))
    rows = [["", *(cell["column"] for cell in cells)]]
    for label in labels:
        found = [
            next((entry for entry in cell["entries"] if entry["label"] == label), None)
            for cell in cells
        ]
        rows.append([label, *(figure(entry, group["shows"]) for entry in found)])
    return table(rows)


def failures(results: dict[str, Any]) -> list[str]:
    """Return what could not be measured, and why."""
    return [
        f"{group['name']}, {cell['column']}, {entry['label']}: {entry['error']}"
        for group in results["groups"]
        for cell in group["cells"]
        for entry in cell["entries"]
        if "error" in entry
    ]


def skipped(results: dict[str, Any]) -> list[str]:
    """Return the contestants that are not installed here, and why."""
    found = {
        f"{entry['label']}: {entry['skipped']}"
        for group in results["groups"]
        for cell in group["cells"]
        for entry in cell["entries"]
        if "skipped" in entry
    }
    return sorted(found)


def targets(results: dict[str, Any]) -> str:
    """Return the targets and what became of them."""
    rows = [["", "to reach", "measured", ""]]
    for each in TARGETS:
        value = each.value(results)
        rows.append([each.text, each.wanted(), each.shown(value), each.verdict(value)])
    return table(rows)


def spread(results: dict[str, Any]) -> str:
    """Return how far apart the turns of the same entry were."""
    apart = sorted(
        (entry["highest"] - entry["lowest"]) / entry["seconds"]
        for group in results["groups"]
        for cell in group["cells"]
        for entry in cell["entries"]
        if entry.get("turns", 0) > 1 and "seconds" in entry
    )
    if not apart:
        return "Everything was measured once."
    return (
        "Between the fastest and the slowest turn of the same entry there are"
        f" {apart[len(apart) // 2]:.0%} in the median, {apart[-1]:.0%} at most."
    )


def markdown(results: dict[str, Any], notes: str = "") -> str:
    """Return everything as a document."""
    machine = results["machine"]
    parts = [
        "# Results",
        f"Measured on {results['date']} by `{results['command']}`"
        f" in {results['seconds'] / 60:.1f} minutes; README.md says how, and how to repeat it."
        " These figures are of one machine and one hour: the ratios are what they are for.",
        "\n".join(f"- {name}: {value}" for name, value in machine.items()),
        "## Targets",
        targets(results),
    ]
    if notes:
        parts.append(notes.strip())
    parts.append(
        "## How to read the tables\n\n"
        "A time is that of one message, a rate is in messages a second; *rt* are round trips of the"
        " column's line; the factor in brackets is speed (or smallness) against Flask-Mail 0.10.0"
        " in the same column. All are medians. " + spread(results) + " From a NOOP to its reply"
        " it took, for a round trip of "
        + ", ".join(f"{ms} ms: {found:.2f} ms" for ms, found in results["pings"].items())
        + "."
    )
    for group in results["groups"]:
        parts += [f"## {group['heading']}", group["text"], group_table(group)]
    failed = failures(results) + skipped(results)
    if failed:
        parts += ["## Not measured", "\n".join(f"- {each}" for each in failed)]
    return "\n\n".join(parts) + "\n"


def plain(results: dict[str, Any]) -> str:
    """Return the tables for a terminal."""
    parts = [f"{group['heading']}\n{group_table(group)}" for group in results["groups"]]
    parts.append(targets(results))
    failed = failures(results) + skipped(results)
    if failed:
        parts.append("Not measured:\n" + "\n".join(failed))
    return "\n\n".join(parts)
