// The strip of hours: the arrow keys go from hour to hour, up to the runs that were queued in it and down to those that
// ended with failures, and the line below it says what the one under the focus or the pointer holds. Without this
// script the same is in the list of hours below the strip.
"use strict";
(() => {
  const strip = document.getElementById("strip");
  const readout = document.getElementById("hour");
  if (!strip || !readout) return;
  const usual = readout.textContent;
  const bars = (kind) => [...strip.querySelectorAll(kind)];
  const say = (bar) => {
    readout.textContent = bar ? bar.getAttribute("aria-label") : usual;
  };

  strip.addEventListener("keydown", (event) => {
    const bar = document.activeElement.closest("a.bar-link");
    if (!bar) return;
    // The strip is one stop on the way: from here, Tab leaves it.
    if (event.key === "Tab") {
      for (const other of bars("a.bar-link")) other.tabIndex = other === bar ? 0 : -1;
    }
    const all = bars(bar.matches(".bad-link") ? "a.bad-link" : "a.bar-link:not(.bad-link)");
    const here = all.indexOf(bar);
    const goal = {
      ArrowLeft: all[here - 1],
      ArrowRight: all[here + 1],
      Home: all[0],
      End: all.at(-1),
      ArrowUp: bar.matches(".bad-link") && bar.previousElementSibling,
      ArrowDown: bar.nextElementSibling?.matches(".bad-link") && bar.nextElementSibling,
    }[event.key];
    if (!goal) return;
    event.preventDefault();
    goal.focus();
  });
  strip.addEventListener("focusin", (event) => say(event.target.closest("a.bar-link")));
  strip.addEventListener("focusout", () => say(null));
  strip.addEventListener("pointerover", (event) => say(event.target.closest("a.bar-link")));
  strip.addEventListener("pointerleave", () => {
    const focused = document.activeElement;
    say(strip.contains(focused) ? focused.closest("a.bar-link") : null);
  });
})();
