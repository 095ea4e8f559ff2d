// Keeps the list of messages up to date. Without it the pages work too: reload them by hand.
"use strict";
(() => {
  const list = () => document.getElementById("inbox");
  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const seen = () =>
    document.hidden
      ? new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }))
      : null;

  // The server escapes what a message holds, in one place: the page that is shown anyway.
  async function refresh() {
    const answer = await fetch(location.href);
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = document.adoptNode(page.getElementById("inbox"));
    const known = new Set([...document.querySelectorAll("[data-id]")].map((row) => row.dataset.id));
    const rows = [...fresh.querySelectorAll("[data-id]")];
    const added = rows.filter((row) => !known.has(row.dataset.id));
    added.forEach((row) => row.classList.add("new"));
    const focused = document.activeElement?.dataset?.id;
    const opened = list().querySelector("details[open]");
    list().replaceWith(fresh);
    rows.find((row) => row.dataset.id === focused)?.focus();
    if (opened) fresh.querySelector("details")?.setAttribute("open", "");
    const live = document.getElementById("live");
    if (added.length) live.textContent = added.length === 1 ? "1 new message" : `${added.length} new messages`;
  }

  async function follow() {
    for (;;) {
      await seen();
      try {
        const { version, changes } = list().dataset;
        const answer = await fetch(`${changes}?version=${encodeURIComponent(version)}`);
        if (!answer.ok) throw new Error(String(answer.status));
        if ((await answer.json()).version !== version) await refresh();
        else await pause(500); // a server with one thread answers at once
      } catch {
        await pause(1000); // it restarts, most likely
      }
    }
  }

  if (list().dataset.changes) follow(); // else the page says why there is nothing to wait for
})();
