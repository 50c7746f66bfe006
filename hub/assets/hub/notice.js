// What the page says of its connection.
import texts from "./texts.js";

const PATIENCE = 1500; // A connection that comes back at once was never lost.

const lost = document.getElementById("lost");
const connection = document.getElementById("connection");
const live = document.getElementById("live");
let standing = ""; // `live` or `dead`; at first neither.
let paused = false;
let listening = false;
let ended = false;
let missed = 0;

function say(what) {
  standing = what;
  write();
}

// A page that is paused shows what was, however good its connection is.
function write() {
  if (!standing) return;
  const what = paused && standing === "live" ? "paused" : standing;
  live.className = what;
  live.textContent = texts[what];
  connection.textContent = texts[`${what}Long`];
}

// The reader has told the page to stay as it is, or to go on.
export function pause(whether) {
  paused = whether;
  write();
}

// The stream is there.
export function connected() {
  listening = true;
  answered();
}

// The stream is gone, or is not wanted for now.
export function disconnected() {
  listening = false;
}

// The server has answered: with the stream it is all there.
export function answered() {
  if (ended || !listening) return;
  clearTimeout(missed);
  missed = 0;
  lost.hidden = true;
  if (standing !== "live") say("live");
}

// The server has not answered.
export function missing() {
  if (ended || missed || document.hidden) return;
  missed = setTimeout(lose, PATIENCE);
}

// The browser knows that it has no network.
export function offline() {
  if (ended || document.hidden) return;
  listening = false;
  clearTimeout(missed);
  missed = -1;
  lose();
}

function lose() {
  const shown = document.querySelector("#reflects time");
  const text = navigator.onLine ? texts.lost : texts.offline;
  lost.textContent = text.replace("{}", shown ? shown.textContent : "some time");
  lost.hidden = false;
  say("dead");
}

// While the page is hidden nothing is missed.
export function rest() {
  if (lost.hidden) {
    clearTimeout(missed);
    missed = 0;
  }
}

// The session has ended: whatever comes later changes nothing about that.
export function end() {
  if (ended) return;
  ended = true;
  clearTimeout(missed);
  const link = document.createElement("a");
  link.href = `${document.body.dataset.base}/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = texts.signIn;
  lost.replaceChildren(`${texts.ended} `, link);
  lost.hidden = false;
  say("dead");
}
