// Keeps a page current: re-reads it when the stream says that something has changed, and puts in place what
// differs. Without this script every page reads the same, only not live.
"use strict";
(() => {
  const { stream, follow, position } = document.body.dataset;
  if (!stream) return;
  document.documentElement.classList.add("scripted");

  const SLOWEST = 15000; // Time goes on without events: durations, and runs that fall silent.
  const SOONEST = 100; // A burst becomes a few updates a second.
  const PATIENCE = 1500; // A connection that comes back at once was never lost.
  const TIMEOUT = 10000;

  const lost = document.getElementById("lost");
  const connection = document.getElementById("connection");
  let last = position;
  let source = null;
  let reading = false;
  let wanted = false;
  let cost = 0;
  let readAt = 0;
  let timer = 0;
  let silence = 0;

  // --- Putting what differs in place -------------------------------------------------------------------

  // Makes `to` like `from`, keeping what is alike: focus, open details and typing stay.
  function patch(to, from) {
    if (to.isEqualNode(from)) return;
    for (const { name } of [...to.attributes]) {
      if (!from.hasAttribute(name) && !(name === "open" && to.localName === "details")) to.removeAttribute(name);
    }
    for (const { name, value } of from.attributes) {
      if (to.getAttribute(name) !== value) to.setAttribute(name, value);
    }
    if (to.localName === "input") to.value = from.value;
    patchChildren(to, from);
  }

  function alike(a, b) {
    return a && b && a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
  }

  function patchChildren(to, from) {
    const known = new Map();
    for (const child of to.children) if (child.id) known.set(child.id, child);
    let here = to.firstChild;
    for (const wanted of [...from.childNodes]) {
      const kept = wanted.id ? known.get(wanted.id) : alike(here, wanted) ? here : null;
      if (!kept) {
        to.insertBefore(document.importNode(wanted, true), here);
        continue;
      }
      if (kept === here) here = here.nextSibling;
      else to.insertBefore(kept, here);
      if (kept.nodeType === Node.ELEMENT_NODE) patch(kept, wanted);
      else if (kept.nodeValue !== wanted.nodeValue) kept.nodeValue = wanted.nodeValue;
    }
    while (here) {
      const next = here.nextSibling;
      here.remove();
      here = next;
    }
  }

  function show(text, replaceAll) {
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const news = page.getElementById(part.id);
      // Whoever moves the slider is not to have it moved back.
      if (news && (replaceAll || part !== document.activeElement)) patch(part, news);
    }
    if (replaceAll) {
      const [items, other] = [document.getElementById("items"), page.getElementById("items")];
      if (items && other) patch(items, other);
    }
    if (document.title !== page.title) document.title = page.title;
    document.body.dataset.position = page.body.dataset.position || "";
  }

  // --- Reading the page again ----------------------------------------------------------------------------

  async function read() {
    if (reading) return;
    reading = true;
    wanted = false;
    clearTimeout(timer);
    const began = performance.now();
    try {
      const asked = location.pathname + location.search;
      const answer = await fetch(asked, { headers: { accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
      if (new URL(answer.url).pathname === "/sign-in") return over();
      if (!answer.ok) throw new Error(answer.status);
      const text = await answer.text();
      if (asked === location.pathname + location.search) show(text, false);
      if (source && source.readyState === EventSource.OPEN) found();
    } catch (error) {
      missing();
    } finally {
      cost = performance.now() - began;
      readAt = performance.now();
      reading = false;
      schedule(wanted ? pause() : SLOWEST);
    }
  }

  function pause() {
    return Math.max(0, Math.max(SOONEST, 3 * cost) - (performance.now() - readAt));
  }

  function schedule(after) {
    clearTimeout(timer);
    timer = setTimeout(read, after);
  }

  function want() {
    if (wanted || document.hidden) {
      wanted = true;
      return;
    }
    wanted = true;
    if (!reading) schedule(pause());
  }

  // --- The stream ----------------------------------------------------------------------------------------

  function concerns(change) {
    return follow === "all" || change.notification || change.run_id === follow;
  }

  function listen() {
    source = new EventSource(`${stream}?last_event_id=${encodeURIComponent(last)}`);
    source.addEventListener("open", () => {
      found();
      want();
    });
    source.addEventListener("run", (message) => {
      last = message.lastEventId;
      if (concerns(JSON.parse(message.data))) want();
    });
    source.addEventListener("position", (message) => {
      last = message.lastEventId;
    });
    source.addEventListener("reset", (message) => {
      last = message.lastEventId;
      want();
    });
    source.addEventListener("error", () => {
      missing();
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000 + Math.random() * 2000);
    });
  }

  function missing() {
    if (silence) return;
    silence = setTimeout(() => {
      const shown = document.querySelector("#reflects time");
      lost.textContent = `The connection is lost. This page shows what was known at ${shown ? shown.textContent : "some time"}; it catches up by itself.`;
      lost.hidden = false;
      connection.textContent = "Not connected.";
    }, PATIENCE);
  }

  function found() {
    clearTimeout(silence);
    silence = 0;
    lost.hidden = true;
    connection.textContent = "Live. Times are UTC.";
  }

  function over() {
    if (source) source.close();
    clearTimeout(silence);
    silence = 1;
    lost.textContent = "The session has ended. ";
    const link = document.createElement("a");
    link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Sign in again";
    lost.append(link);
    lost.hidden = false;
    connection.textContent = "Not connected.";
    wanted = true; // Nothing is read any more.
  }

  // --- The slider ----------------------------------------------------------------------------------------

  const slider = document.getElementById("revision");
  let moving = 0;
  if (slider) {
    slider.addEventListener("input", () => {
      document.getElementById("as-of").textContent = slider.value;
      clearTimeout(moving);
      moving = setTimeout(travel, 80);
    });
  }

  async function travel() {
    const query = new URLSearchParams(location.search);
    for (const name of ["cursor", "events_from"]) query.delete(name);
    if (slider.value === slider.dataset.last) query.delete("revision");
    else query.set("revision", slider.value);
    const asked = location.pathname + (query.size ? `?${query}` : "");
    try {
      const answer = await fetch(asked, { headers: { accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      history.replaceState(null, "", asked);
      show(await answer.text(), true);
    } catch (error) {
      missing();
    }
  }

  // --- Beginning -----------------------------------------------------------------------------------------

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) read();
  });
  listen();
  schedule(SLOWEST);
})();
