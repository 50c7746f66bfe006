// Rows that are new are held back while they would move others under the pointer, the focus or the eyes: a button says
// how many there are, and shows them.

const place = document.getElementById("fresh");
const list = document.getElementById("list");
const button = document.createElement("button");
const ROWS = "tr[id], li[id]";
let wanted = false;
let show = () => {};

if (place) {
  button.type = "button";
  button.addEventListener("click", () => {
    wanted = true;
    show();
  });
}

// Says what to do when they are wanted.
export function onWanted(action) {
  show = action;
}

function rowsOf(part) {
  return [...part.querySelectorAll(ROWS)];
}

// Whether somebody is at the list. A finger is not seen before it is there.
function isInUse() {
  return (
    matchMedia("(pointer: coarse)").matches ||
    list.matches(":hover") ||
    (list !== document.activeElement && list.contains(document.activeElement)) ||
    list.getBoundingClientRect().top < 0
  );
}

// Takes out of the list that is about to be shown what would move the rows that are there.
export function hold(news) {
  if (!place || !news) return;
  const known = new Set(rowsOf(list).map((row) => row.id));
  const rows = rowsOf(news);
  const lastKnown = rows.findLastIndex((row) => known.has(row.id));
  const moving = rows.slice(0, lastKnown + 1).filter((row) => !known.has(row.id));
  const held = !wanted && moving.length > 0 && isInUse();
  if (held) {
    for (const row of moving) row.remove();
    const count = moving.length;
    button.textContent = `${count} ${count === 1 ? place.dataset.one : place.dataset.many}`;
  }
  if (held) place.replaceChildren(button);
  else place.replaceChildren();
  place.hidden = !held;
}

// They are shown: the focus of the reader who asked for them is at the first.
export function shown() {
  if (!wanted) return;
  wanted = false;
  list.scrollIntoView({ block: "nearest" });
  list.querySelector(ROWS)?.querySelector("a, button")?.focus();
}
