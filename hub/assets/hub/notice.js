// What the page says of its connection.

const PATIENCE = 1500; // A connection that comes back at once was never lost.

const lost = document.getElementById("lost");
const connection = document.getElementById("connection");
const live = document.getElementById("live");
let standing = "";
let listening = false;
let ended = false;
let missed = 0;

function say(text) {
  standing = text;
  connection.textContent = text;
  live.className = text.startsWith("Live") ? "live" : "dead";
  live.textContent = text.startsWith("Live") ? "Live" : "Not connected";
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
  if (!standing.startsWith("Live")) say("Live. Times are UTC.");
}

// The server has not answered.
export function missing() {
  if (ended || missed || document.hidden) return;
  missed = setTimeout(() => {
    const shown = document.querySelector("#reflects time");
    lost.textContent = `The connection is lost. This page shows what was known at ${shown ? shown.textContent : "some time"}; it catches up by itself.`;
    lost.hidden = false;
    say("Not connected.");
  }, PATIENCE);
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
  link.textContent = "Sign in again";
  lost.replaceChildren("The session has ended. ", link);
  lost.hidden = false;
  say("Not connected.");
}
