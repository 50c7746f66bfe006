// Reads the page again when something has changed, and puts in place what differs.
import { patch } from "./patch.js";
import * as fresh from "./fresh.js";
import * as notice from "./notice.js";

const SLOWEST = 15000; // Time goes on without events: durations, and runs that fall silent.
const SOONEST = 100; // A burst becomes a few updates a second.
const AGAIN = 2000; // After a failure, and up to twice that, so that not all come back at once.
const TIMEOUT = 10000;

let ended = false;
let whenEnded = () => {};
let paused = false;
let wanted = false; // In spite of the pause.
let held = false;
let stale = false;
let reading = null;
let timer = 0;
let readAt = performance.now();
let soonest = 0;

// The page behind an address; none when it is not to be shown: the session has ended, or the page is another
// visitor's by now, or gone.
export async function load(address, signal) {
  const limits = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]);
  const answer = await fetch(address, { headers: { accept: "text/html" }, cache: "no-store", signal: limits });
  if (new URL(answer.url).pathname === `${document.body.dataset.base}/sign-in`) {
    end();
    return null;
  }
  // A page that says what is wrong with its address is an answer like any other.
  if (answer.status >= 500 || answer.status === 408 || answer.status === 429) throw new Error(`status ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  notice.answered();
  if (who(page) !== who(document)) {
    location.reload();
    return null;
  }
  return page;
}

function who(page) {
  return page.getElementById("who")?.textContent;
}

// Puts in place what differs, but for what is `busy`.
export function show(page, busy) {
  fresh.hold(page.getElementById("list"));
  for (const part of document.querySelectorAll("[data-live]")) {
    const news = page.getElementById(part.id);
    if (news && part !== busy) patch(part, news);
  }
  if (document.title !== page.title) document.title = page.title;
  document.body.dataset.position = page.body.dataset.position || "";
  fresh.shown();
}

function address() {
  return location.pathname + location.search;
}

async function read() {
  if (reading || ended || held || document.hidden) return;
  const controller = new AbortController();
  reading = controller;
  stale = false;
  clearTimeout(timer);
  const began = performance.now();
  let pause = SOONEST;
  try {
    const page = await load(address(), controller.signal);
    if (page && (!paused || wanted) && !controller.signal.aborted) show(page);
    wanted = false;
    pause = Math.max(SOONEST, 3 * (performance.now() - began));
  } catch (error) {
    stale = true;
    pause = AGAIN * (1 + Math.random());
    if (!controller.signal.aborted) notice.missing();
  }
  if (reading !== controller) return;
  reading = null;
  readAt = performance.now();
  soonest = readAt + pause;
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (reading || ended || paused || held || document.hidden) return;
  timer = setTimeout(read, Math.max(0, (stale ? soonest : readAt + SLOWEST) - performance.now()));
}

// Whatever is under way is not to be shown any more.
function stop() {
  clearTimeout(timer);
  if (!reading) return;
  reading.abort();
  reading = null;
  stale = true;
}

// Something has changed.
export function want() {
  stale = true;
  schedule();
}

// Asks at once whether the session is still there, and shows what has come.
export function check() {
  read();
}

// Shows what there is by now, even where the page is paused.
export function now() {
  wanted = true;
  read();
}

// While the page is hidden nothing is read.
export function rest() {
  stop();
}

// Leaves the page alone while the slider moves.
export function hold() {
  held = true;
  stop();
}

// Goes on after `hold`.
export function release() {
  if (!held) return;
  held = false;
  schedule();
}

// Leaves the page as it is until it is to go on.
export function pause(whether) {
  paused = whether;
  if (paused) stop();
  else want();
}

// Says what else is over with the session.
export function onEnd(action) {
  whenEnded = action;
}

export function isOver() {
  return ended;
}

function end() {
  if (ended) return;
  ended = true;
  stop();
  notice.end();
  whenEnded();
}

schedule();
