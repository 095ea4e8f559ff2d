"""Measures cells: starts what they need, gives every contestant its turns, takes medians."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import login, network, queue_servers, servers
from .cells import NOWHERE, SMTP_SOURCE, Cell, Entry, Group, Plan
from .contestants import (
    Contestant,
    CouldNotSend,
    NewProcesses,
    SmtpSource,
    Worker,
    nodemailer_worker,
    python_worker,
)
from .environments import LIBRARIES, NODEMAILER, OLD, Missing
from .killing import Kills

LOG = "workers.log"  # what the workers print


class Bench:
    """The running servers, the environments, and when to stop."""

    def __init__(
        self,
        postfix: servers.Postfix,
        ports: dict[str, int],
        lines: dict[int, network.Prefix],
        pythons: dict[str, Path],
        nodemailer: Path | str,
        places: dict[str, str],
        missing: dict[str, str],
        folder: Path,
        until: float,
    ) -> None:
        self._postfix = postfix
        self._ports = ports
        self._lines = lines
        self._pythons = pythons
        self._nodemailer = nodemailer
        self._places = places
        self._missing = missing
        self._folder = folder
        self._until = until

    def measure(self, cell: Cell) -> list[dict[str, Any]]:
        """Return the results of a cell's entries."""
        entries = [each for each in cell.entries if not self._why_not(each)]
        runs: list[list[dict[str, Any]]] = [[] for _ in entries]
        errors: list[str | None] = [None] * len(entries)
        with contextlib.ExitStack() as stack:
            contestants = []
            for entry in entries:
                contestants.append(self._contestant(cell, entry))
                stack.callback(contestants[-1].close)
            # Whatever else this machine does meets all of them: each has one turn in each round.
            for _ in range(cell.repeats):
                for number, entry in enumerate(entries):
                    if errors[number] is None:
                        try:
                            answer = self._turn(cell, entry, contestants[number])
                        except CouldNotSend as error:
                            errors[number] = str(error)
                        else:
                            runs[number].append(answer)
        results = [
            summary(cell, entry, answers) | ({"error": error} if error else {})
            for entry, answers, error in zip(entries, runs, errors, strict=True)
        ]
        compare(results)
        return results + [
            {"label": each.label, "library": each.library, "skipped": why}
            for each in cell.entries
            if (why := self._why_not(each))
        ]

    def _why_not(self, entry: Entry) -> str:
        """Return why an entry cannot be measured here, or an empty string."""
        is_missing = entry.library == NODEMAILER and isinstance(self._nodemailer, str)
        return str(self._nodemailer) if is_missing else self._missing.get(entry.needs, "")

    def _contestant(self, cell: Cell, entry: Entry) -> Contestant:
        server = entry.server or cell.server
        port, prefix = self._ports[server], self._lines[cell.milliseconds]
        if entry.library == SMTP_SOURCE:
            return SmtpSource(prefix, port, self._folder)
        secure = server == "login"
        options = {
            "host": network.SERVERS,
            "port": port,
            "tls": secure,
            "username": login.USERNAME if secure else None,
            "password": login.PASSWORD if secure else None,
            "settings": entry.settings,
            "folder": str(self._folder),
            **self._places,
        }
        certificates = self._postfix.authorities
        if entry.library == NODEMAILER:
            command, options = nodemailer_worker(Path(self._nodemailer), options)
            return Worker([*prefix, *command], options, certificates, self._folder / LOG)
        python, adapter = self._pythons[entry.library], LIBRARIES[entry.library].adapter
        if entry.request["task"] in {"imports", "first send"}:
            return NewProcesses(python, adapter, options, certificates)
        command = [*prefix, *python_worker(python, adapter)]
        if entry.request["task"] == "kills":
            return Kills(command, options, certificates, self._folder / LOG)
        return Worker(command, options, certificates, self._folder / LOG)

    def _turn(self, cell: Cell, entry: Entry, contestant: Contestant) -> dict[str, Any]:
        if time.monotonic() > self._until:
            raise CouldNotSend("the time for the whole run was over")
        try:
            answer = contestant.ask(entry.request)
        except CouldNotSend:
            if cell.server in self._postfix.ports:
                time.sleep(1)
                self._postfix.done(0)  # what had been sent is not the next one's
            raise
        if cell.server in self._postfix.ports:
            arrived = self._postfix.done(answer["sent"])
            if arrived != answer["sent"]:
                raise CouldNotSend(f"Postfix got {arrived} of {answer['sent']} messages")
        return answer


def summary(cell: Cell, entry: Entry, answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians of an entry's turns."""
    result: dict[str, Any] = {
        "label": entry.label,
        "library": entry.library,
        "messages": entry.request.get("count"),
        "turns": len(answers),
    }
    if not answers:
        return result
    for name in ("growth", "above", "doubled", "lost", "unknown"):
        if name in answers[0]:
            result[name] = statistics.median(each[name] for each in answers)
    if not {"samples", "sending"} & answers[0].keys():
        return result
    times = [seconds_of_a_message(cell, entry, each) for each in answers]
    seconds = statistics.median(times)
    result |= {"seconds": seconds, "lowest": min(times), "highest": max(times)}
    if cell.milliseconds:
        result["round_trips"] = seconds * 1000 / cell.milliseconds
    return result


def seconds_of_a_message(cell: Cell, entry: Entry, answer: dict[str, Any]) -> float:
    """Return the figure of one turn."""
    if entry.request.get("threads", 1) > 1 and entry.request["task"] == "single":
        return float(answer["seconds"]) / int(entry.request["count"])
    if "samples" in answer:
        return float(statistics.median(answer["samples"]))
    each = float(answer["sending"]) / int(answer["count"])
    if not cell.nominal:
        return each
    # Who is slow sends fewer, but opens and closes as often as for all of them.
    return each + float(answer["around"]) / cell.nominal


def compare(results: list[dict[str, Any]]) -> None:
    """Add to each result how many times as fast, or as small, as Flask-Mail 0.10 it is."""
    old = next((each for each in results if each["label"] == OLD), {})
    for each in results:
        for figure, factor in (("seconds", "times"), ("growth", "smaller")):
            if each.get(figure) and figure in old:
                each[factor] = old[figure] / each[figure]


def entries_of(groups: Sequence[Group], plan: Plan) -> list[Entry]:
    """Return all entries of groups."""
    return [entry for group in groups for cell in group.cells(plan) for entry in cell.entries]


def run(
    groups: Sequence[Group],
    plan: Plan,
    *,
    pythons: dict[str, Path],
    nodemailer: Path | str,
    folder: Path,
    queue: Path | None,
    limit: float,
) -> dict[str, Any]:
    """Start the servers, measure the groups, and return all results.

    :param nodemailer: where it is installed, or why it is not.
    """
    started = time.monotonic()
    network.enter_servers()
    with contextlib.ExitStack() as stack:
        postfix = stack.enter_context(servers.postfix(queue))
        ports = {**postfix.ports, "sink": stack.enter_context(servers.sink()), NOWHERE: 0}
        wanted = {cell.milliseconds for group in groups for cell in group.cells(plan)}
        lines = stack.enter_context(network.lines(wanted))
        pings = {str(ms): network.ping(each, ports["postfix"]) for ms, each in lines.items()}
        places, missing = {}, {}
        for name in sorted({entry.needs for entry in entries_of(groups, plan)} - {""}):
            try:
                places[name] = stack.enter_context(queue_servers.SERVERS[name]())
            except Missing as why:
                missing[name] = str(why)
        bench = Bench(
            postfix, ports, lines, pythons, nodemailer, places, missing, folder, started + limit
        )
        results = []
        for group in groups:
            cells = []
            began = time.monotonic()
            for cell in group.cells(plan):
                print(f"{group.name}: {cell.column}", flush=True)
                cells.append(
                    {
                        "column": cell.column,
                        "server": cell.server,
                        "milliseconds": cell.milliseconds,
                        "nominal": cell.nominal,
                        "entries": bench.measure(cell),
                    }
                )
            results.append(
                {
                    "name": group.name,
                    "heading": group.heading,
                    "shows": group.shows,
                    "text": group.text,
                    "cells": cells,
                    "took": time.monotonic() - began,
                }
            )
            print(f"{group.name} took {results[-1]['took']:.0f} s", flush=True)
    return {"groups": results, "pings": pings, "seconds": time.monotonic() - started}
