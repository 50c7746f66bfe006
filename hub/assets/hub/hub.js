// Keeps a page current: re-reads it when the stream says that something has changed, and puts in place what
// differs. Without this script every page reads the same, only not live.
import "./crumbs.js";
import { onWanted } from "./fresh.js";
import * as notice from "./notice.js";
import { waits } from "./pause.js";
import * as reader from "./reader.js";
import { inThePast, reachTo } from "./slider.js";
import { Stream } from "./stream.js";

const { stream: address, follow, position } = document.body.dataset;

const stream = new Stream(address, position, {
  opened: notice.connected,
  run(change) {
    const followed = follow === "all" || change.run_id === follow;
    if (!followed && !change.notification) return;
    waits(change.events);
    // A past revision is folded from the events for each look, and stays what it was.
    if (followed && inThePast() && !change.notification) reachTo(change.revision);
    else reader.want();
  },
  reset: reader.want,
  lost() {
    notice.disconnected();
    notice.missing();
  },
  refused: reader.check,
});

function wake() {
  stream.open();
  reader.want();
}

// A browser opens but a few connections to one server, and a hidden page needs none.
function rest() {
  stream.close();
  notice.disconnected();
  notice.rest();
  reader.rest();
}

// What the browser knows of its network is known before any silence tells it. A server on this very machine can be
// reached all the same: then the stream opens, and it is live.
function changed(online) {
  if (reader.isOver() || document.hidden) return;
  stream.close();
  if (online) reader.want();
  else notice.offline();
  stream.open();
}

reader.onEnd(() => stream.close());
onWanted(reader.now);
window.addEventListener("offline", () => changed(false));
window.addEventListener("online", () => changed(true));
document.addEventListener("visibilitychange", () => {
  if (reader.isOver()) return;
  if (document.hidden) rest();
  else wake();
});
document.documentElement.classList.add("scripted");
if (!document.hidden) stream.open();
