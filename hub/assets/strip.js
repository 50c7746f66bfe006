// The strip of hours: the arrow keys go from hour to hour, and the line below it says what the one under the
// focus or the pointer holds. Without this script the same is in the list of hours below the strip.
"use strict";
(() => {
  const strip = document.getElementById("strip");
  const readout = document.getElementById("hour");
  if (!strip || !readout) return;
  const usual = readout.textContent;
  const bars = () => [...strip.querySelectorAll("a.bar-link")];
  const say = (bar) => {
    readout.textContent = bar ? bar.getAttribute("aria-label") : usual;
  };

  strip.addEventListener("keydown", (event) => {
    const all = bars();
    const here = all.indexOf(document.activeElement);
    // The strip is one stop on the way: from here, Tab leaves it.
    if (event.key === "Tab" && here >= 0) {
      for (const bar of all) bar.tabIndex = bar === all[here] ? 0 : -1;
    }
    const goal = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: all.length - 1 }[event.key];
    if (here < 0 || goal === undefined || !all[goal]) return;
    event.preventDefault();
    all[goal].focus();
  });
  strip.addEventListener("focusin", (event) => say(event.target.closest("a.bar-link")));
  strip.addEventListener("focusout", () => say(null));
  strip.addEventListener("pointerover", (event) => say(event.target.closest("a.bar-link")));
  strip.addEventListener("pointerleave", () => {
    const focused = document.activeElement;
    say(strip.contains(focused) ? focused.closest("a.bar-link") : null);
  });
})();
