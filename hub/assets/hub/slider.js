// Shows the run as it was at the revision that the slider is moved to.
import * as notice from "./notice.js";
import * as reader from "./reader.js";
import texts from "./texts.js";

const PAUSE = 80; // Not each value that a finger slides over is asked for.
const AGAIN = 2000;

const slider = document.getElementById("revision");
const output = document.getElementById("as-of");
const moment = document.getElementById("as-of-moment");
const typed = document.getElementById("moment");
const parts = ["head", "items", "timeline"].map((id) => document.getElementById(id));
let dragging = false;
let asked = null;
let timer = 0;

if (slider) {
  slider.addEventListener("pointerdown", () => {
    dragging = true;
    reader.hold();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    window.addEventListener(end, () => {
      dragging = false;
      settle();
    });
  }
  slider.addEventListener("input", () => {
    wait();
    reader.hold();
    asked?.abort();
    asked = new AbortController();
    travelIn(PAUSE);
  });
}

// What is shown is not yet what the slider says.
function wait() {
  const event = Number(slider.value).toLocaleString("en");
  output.textContent = event;
  moment.textContent = texts.loading;
  typed.value = "";
  slider.setAttribute("aria-valuetext", texts.loadingEvent.replace("{}", event));
  for (const part of parts) part.setAttribute("aria-busy", "true");
}

function travelIn(pause) {
  clearTimeout(timer);
  timer = setTimeout(travel, pause, asked.signal);
}

async function travel(signal) {
  if (reader.isOver()) return;
  const query = new URLSearchParams(location.search);
  for (const name of ["cursor", "events_from", "at"]) query.delete(name);
  if (slider.value === slider.max) query.delete("revision");
  else query.set("revision", slider.value);
  const address = location.pathname + (query.size ? `?${query}` : "");
  try {
    const page = await reader.load(address, signal);
    // It was moved on meanwhile: this answer is about a revision that nobody waits for.
    if (!page || signal.aborted) return;
    history.replaceState(null, "", address);
    reader.show(page, dragging ? slider : null);
    for (const part of parts) part.removeAttribute("aria-busy");
    slider.setAttribute("aria-valuetext", page.getElementById("revision").getAttribute("aria-valuetext"));
    asked = null;
    settle();
  } catch (error) {
    if (signal.aborted) return;
    notice.missing();
    travelIn(AGAIN);
  }
}

function settle() {
  if (!dragging && !asked) reader.release();
}

// Whether the page shows a past revision. What happens to the run does not change that.
export function inThePast() {
  return Boolean(document.querySelector("#past .past"));
}

// The run has gone on to another revision, to which the slider reaches then.
export function reachTo(revision) {
  const last = document.getElementById("last-revision");
  if (!slider || dragging || asked || revision <= Number(slider.max)) return;
  slider.max = revision;
  last.textContent = revision.toLocaleString("en");
}
