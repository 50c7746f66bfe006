// Makes a part of the page like another, keeping what is alike: focus, selected text, open details, typing.

export function patch(to, from) {
  const focused = document.activeElement;
  const around = focused && to.contains(focused) ? ancestors(focused, to) : [];
  const selection = document.getSelection();
  const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
  alter(to, from);
  // Whatever is moved loses both, though it stays.
  if (focused !== document.activeElement) stayBy(focused, around);
  const moved = selection.anchorNode !== anchorNode || selection.focusNode !== focusNode;
  if (moved && anchorNode?.isConnected && focusNode?.isConnected) {
    selection.setBaseAndExtent(anchorNode, within(anchorNode, anchorOffset), focusNode, within(focusNode, focusOffset));
  }
}

function ancestors(element, last) {
  const found = [];
  for (let e = element; e !== last; e = e.parentElement) found.push(e.parentElement);
  return found;
}

// Where what had the focus is gone, the focus goes to what it was in: not to the beginning of the page.
function stayBy(focused, around) {
  const stays = [focused, ...around].find((e) => e?.isConnected && (e === focused || e.hasAttribute("tabindex")));
  stays?.focus({ preventScroll: true });
}

function within(node, offset) {
  return Math.min(offset, node.nodeType === Node.TEXT_NODE ? node.length : node.childNodes.length);
}

function alter(to, from) {
  if (to.isEqualNode(from) && to.localName !== "input") return;
  for (const { name } of [...to.attributes]) {
    if (!from.hasAttribute(name) && !(name === "open" && to.localName === "details")) to.removeAttribute(name);
  }
  for (const { name, value } of from.attributes) {
    if (to.getAttribute(name) !== value) to.setAttribute(name, value);
  }
  if (to.type === "range" && to.value !== from.value) to.value = from.value;
  alterChildren(to, from);
}

function alterChildren(to, from) {
  const news = [...from.childNodes];
  const kept = keep([...to.childNodes], news);
  // What has left goes first, so that what stays need not be moved around it.
  const staying = new Set(kept);
  for (const child of [...to.childNodes]) if (!staying.has(child)) child.remove();
  let here = to.firstChild;
  for (const [index, wanted] of news.entries()) {
    const child = kept[index];
    if (!child) {
      to.insertBefore(document.importNode(wanted, true), here);
      continue;
    }
    if (child === here) here = here.nextSibling;
    else to.insertBefore(child, here);
    if (child.nodeType === Node.ELEMENT_NODE) alter(child, wanted);
    else if (child.nodeValue !== wanted.nodeValue) child.nodeValue = wanted.nodeValue;
  }
}

// Which of the old children stays as which of the new ones: by id, or by its place from either end.
function keep(old, news) {
  const kept = new Array(news.length).fill(null);
  let [start, oldEnd, newEnd] = [0, old.length, news.length];
  while (start < oldEnd && start < newEnd && alike(old[start], news[start])) kept[start] = old[start++];
  while (oldEnd > start && newEnd > start && alike(old[oldEnd - 1], news[newEnd - 1])) kept[--newEnd] = old[--oldEnd];
  const left = old.slice(start, oldEnd);
  const known = new Map(left.filter((child) => child.id).map((child) => [child.id, child]));
  const nameless = left.filter((child) => !child.id);
  for (let index = start; index < newEnd; index++) {
    const found = news[index].id ? known.get(news[index].id) : nameless[0];
    if (!found || !alike(found, news[index])) continue;
    kept[index] = found;
    if (found.id) known.delete(found.id);
    else nameless.shift();
  }
  return kept;
}

function alike(a, b) {
  return a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
}
