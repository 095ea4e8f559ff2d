// Makes the pages live: new mail appears, a click opens a message beside the list, keys work, and a
// frame is as high as its mail. The pages work without it.
"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  const isWide = matchMedia("(min-width: 62rem)");
  const announce = (text) => { one("#live").textContent = text; };

  // The server escapes what a message contains, in one place: the page that is shown anyway.
  async function load(url, headers = {}) {
    const answer = await fetch(url, { headers });
    if (!answer.ok) throw new Error(String(answer.status));
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  // --- What was read: known to this browser alone ---

  const READ = `flask-mail-read:${one("nav a")?.pathname}`;
  let read = new Set();
  try {
    read = new Set(JSON.parse(localStorage.getItem(READ)) || []);
  } catch { /* no storage */ }

  function markUnread() {
    const rows = all(".row[data-id]");
    const current = one(".row[aria-current]")?.dataset.id;
    if (current) read.add(current);
    let count = 0;
    for (const row of rows) {
      const isUnread = !read.has(row.dataset.id);
      count += isUnread;
      row.classList.toggle("unread", isUnread);
      row.querySelector(".state")?.remove();
      if (isUnread) {
        const state = document.createElement("span");
        state.className = "hidden state";
        state.textContent = "Unread. ";
        row.prepend(state);
      }
    }
    if (rows.length) document.title = document.title.replace(/^(\(\d+\) )?/, count ? `(${count}) ` : "");
    try {
      localStorage.setItem(READ, JSON.stringify([...read].slice(-1000)));
    } catch { /* no storage */ }
  }

  // --- Selecting several ---

  function markSelected() {
    const form = one("#selection");
    if (!form) return;
    const boxes = all(".list input[type=checkbox]");
    const count = boxes.filter((box) => box.checked).length;
    const button = form.querySelector("button");
    button.hidden = !count;
    button.textContent = `Delete selected (${count})`;
    if (!one("#every")) {
      one("#inbox .heading").insertAdjacentHTML("afterbegin", '<input id="every" type="checkbox" aria-label="Select all">');
    }
    const every = one("#every");
    every.checked = count === boxes.length;
    every.indeterminate = count > 0 && count < boxes.length;
  }

  document.addEventListener("change", ({ target }) => {
    if (target.id === "every") all(".list input[type=checkbox]").forEach((box) => { box.checked = target.checked; });
    if (target.type === "checkbox") markSelected();
  });

  // --- The message beside the list ---

  let wanted;
  async function open(url) {
    let page;
    wanted = url;
    try {
      page = await load(url, { "X-Mail-Pane": "1" });
    } catch {
      if (url === wanted) location.href = url; // to show what is wrong
      return;
    }
    if (url !== wanted) return; // answered late: another one was chosen since
    const before = location.pathname;
    const focused = document.activeElement.closest("#pane a")?.textContent;
    history.pushState(null, "", url);
    const isOther = location.pathname !== before; // else another view of the message
    one("#pane").replaceChildren(...document.adoptNode(page.getElementById("pane")).childNodes);
    if (isOther) one("#pane").scrollTop = 0;
    all("#pane a").find((link) => link.textContent === focused)?.focus({ preventScroll: true });
    one(".panes").classList.add("opened");
    document.title = page.title;
    const path = new URL(url, location.href).pathname;
    for (const row of all(".row")) {
      if (row.pathname === path) {
        row.setAttribute("aria-current", "true");
        row.scrollIntoView({ block: "nearest" });
      } else row.removeAttribute("aria-current");
    }
    const kept = one("#selection [name=open]");
    if (kept) kept.value = one(".row[aria-current]")?.dataset.id || "";
    announce(one(isOther ? "#pane h1" : ".tabs [aria-current]").textContent);
    markUnread();
    showTab();
    measure();
  }

  // On a phone, the tabs are wider than the screen.
  function showTab() {
    const tab = one(".tabs [aria-current]");
    if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - (tab.parentElement.clientWidth - tab.offsetWidth) / 2;
  }

  document.addEventListener("click", (event) => {
    // Another locale is one of the list too, and on a phone, another message is another page.
    const views = ".tabs a, .choices:not(.locales) a, .toolbar > a";
    const link = event.target.closest(isWide.matches ? `.row, .steps a[rel], ${views}` : views);
    const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button);
    if (!link || !isPlain || !one(".side .row") || !link.pathname.match(/\/(messages|previews)\/./)) return;
    event.preventDefault();
    open(link.href);
  });
  addEventListener("popstate", () => location.reload());

  // --- Keys ---

  function step(by) {
    const rows = isWide.matches || !one("article") ? all(".row") : [];
    const active = rows.indexOf(document.activeElement); // ahead of the open one if keys are quick
    const last = active < 0 ? rows.findIndex((row) => row.hasAttribute("aria-current")) : active;
    const row = rows[last < 0 ? 0 : last + by];
    if (row) {
      row.focus();
      if (isWide.matches) open(row.href);
    } else if (rows.length && by > 0) one("#more:not([data-goes-on])")?.click();
    else if (!rows.length) one(`.steps a[rel=${by > 0 ? "next" : "prev"}]`)?.click();
  }

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input:not([type=checkbox]), select, textarea")) return;
    const isInList = target.closest(".list") !== null;
    const current = target.closest("li") || one(".row[aria-current]")?.closest("li");
    if (key === "j" || (key === "ArrowDown" && isInList)) step(1);
    else if (key === "k" || (key === "ArrowUp" && isInList)) step(-1);
    else if (key === "x" && current) current.querySelector("input")?.click();
    else if (key === "/") one("#q").focus();
    else return;
    event.preventDefault();
  });

  // --- A frame as high as its mail ---

  // In the frame that is seen, no one may look. A second one has the same content without images of
  // other servers, and nothing in it can act or be clicked: its height may be read.
  function measure() {
    const frame = one(".frame");
    if (!frame) return;
    const twin = document.createElement("iframe");
    Object.assign(twin, { className: "twin", title: "Measures the message", tabIndex: -1, src: frame.dataset.measure });
    twin.setAttribute("sandbox", "allow-same-origin");
    twin.setAttribute("aria-hidden", "true");
    twin.setAttribute("referrerpolicy", "no-referrer");
    const fit = () => {
      if (!twin.contentDocument) return;
      // An <img name="documentElement"> hides the property of the document itself.
      const page = Reflect.get(Document.prototype, "documentElement", twin.contentDocument);
      const height = page.scrollHeight + (page.scrollWidth > page.clientWidth ? 18 : 2);
      if (height > 3) frame.firstElementChild.style.height = `${Math.min(height, 20000)}px`;
    };
    twin.addEventListener("load", () => {
      fit();
      new ResizeObserver(fit).observe(twin);
    });
    frame.append(twin);
  }

  // --- A search among much mail goes on, page by page ---

  let isSearching = false;
  async function searchOn() {
    if (isSearching) return;
    isSearching = true;
    let more, page;
    while ((more = one("#more[data-goes-on]"))) {
      page = await load(more.href).catch(() => null);
      if (!page) break; // the button remains
      if (!more.isConnected) continue; // the list was loaded anew
      const fresh = document.adoptNode(page.getElementById("inbox"));
      one(".list").append(...fresh.querySelectorAll(".list > li"));
      one("#further").replaceWith(fresh.querySelector("#further"));
      const count = all(".list .row").length;
      one("#inbox .count").textContent = count;
      if (!one("#more[data-goes-on]")) announce(count === 1 ? "1 result" : `${count} results`);
      markUnread();
      markSelected();
    }
    isSearching = false;
  }

  // --- New mail ---

  async function refresh() {
    const page = await load(location.href).catch((error) => {
      if (error.message !== "404") throw error;
      return load(one("nav a").href + location.search); // the open message is gone, the list is not
    });
    const fresh = document.adoptNode(page.getElementById("inbox"));
    const known = new Set(all("[data-id]").map((row) => row.dataset.id));
    const selected = new Set(all(".list input:checked").map((box) => box.value));
    const rows = [...fresh.querySelectorAll("[data-id]")];
    const added = rows.filter((row) => !known.has(row.dataset.id));
    added.forEach((row) => row.classList.add("new"));
    const focused = document.activeElement?.dataset?.id;
    const isOpened = one("#inbox details[open]");
    const scrolled = one(".side").scrollTop;
    one("#inbox").replaceWith(fresh);
    one(".side").scrollTop = scrolled;
    fresh.querySelectorAll(".list input").forEach((box) => { box.checked = selected.has(box.value); });
    rows.find((row) => row.dataset.id === focused)?.focus();
    if (isOpened) fresh.querySelector("details")?.setAttribute("open", "");
    if (added.length) announce(added.length === 1 ? "1 new message" : `${added.length} new messages`);
    markUnread();
    markSelected();
    searchOn();
  }

  const seen = () =>
    document.hidden
      ? new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }))
      : null;

  async function follow() {
    for (;;) {
      await seen();
      try {
        const { version, changes } = one("#inbox").dataset;
        const answer = await fetch(`${changes}?version=${encodeURIComponent(version)}`);
        if (!answer.ok) throw new Error(String(answer.status));
        if ((await answer.json()).version !== version) await refresh();
        else await pause(500); // a server with one thread answers at once
      } catch {
        await pause(1000); // it restarts, most likely
      }
    }
  }

  markUnread();
  markSelected();
  showTab();
  one(".row[aria-current]")?.scrollIntoView({ block: "nearest" });
  measure();
  searchOn();
  if (one("#inbox")?.dataset.changes) follow(); // else the page says why there is nothing to wait for
})();
