// Lets who reads stop the page from changing before their eyes (WCAG 2.2, 2.2.2). It is kept from page to page.
import * as notice from "./notice.js";
import * as reader from "./reader.js";
import texts from "./texts.js";

const KEY = "paused";

const button = document.createElement("button");
const count = document.createElement("span");
let paused = false;
let waiting = 0;

button.type = "button";
button.id = "pause";
button.className = "plain";
button.addEventListener("click", () => set(!paused));
document.querySelector(".top .who").before(button);
if (sessionStorage.getItem(KEY) === "yes") set(true);
else write();

function set(whether) {
  paused = whether;
  waiting = 0;
  sessionStorage.setItem(KEY, paused ? "yes" : "no");
  reader.pause(paused);
  notice.pause(paused);
  write();
}

function write() {
  count.textContent = ` ${waiting === 1 ? texts.waitsOne : texts.waits.replace("{}", waiting)}`;
  button.replaceChildren(paused ? texts.resume : texts.pause, ...(waiting ? [count] : []));
}

// Events of which nothing is shown before it goes on.
export function waits(events) {
  if (!paused) return;
  waiting += events;
  write();
}
