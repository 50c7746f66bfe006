// Listens to what happens, and comes back when the connection is lost.

const AGAIN = 2000; // After a refusal, and up to twice that.
const SILENCE = 15000; // A stream says every 5 s that it is there, unless it says otherwise.
const BEATS = 3; // How many of its heartbeats may be missing.

export class Stream {
  #address;
  #last;
  #told;
  #source = null;
  #silence = SILENCE;
  #timer = 0;

  // Listens from the position `last` on. `told` is called: `opened`, `run`, `reset`, `lost`, `refused`.
  constructor(address, last, told) {
    this.#address = address;
    this.#last = last;
    this.#told = told;
  }

  open() {
    if (this.#source) return;
    const source = new EventSource(`${this.#address}?last_event_id=${encodeURIComponent(this.#last)}`);
    this.#source = source;
    this.#listen();
    source.addEventListener("open", () => {
      this.#listen();
      this.#told.opened();
    });
    this.#on("run", (change) => this.#told.run(change));
    this.#on("reset", () => this.#told.reset());
    this.#on("position", ({ heartbeat_ms }) => {
      if (heartbeat_ms) this.#silence = BEATS * heartbeat_ms;
    });
    source.addEventListener("error", () => {
      this.#told.lost();
      if (source.readyState !== EventSource.CLOSED) return; // It comes back by itself.
      this.close();
      this.#timer = setTimeout(() => this.open(), AGAIN * (1 + Math.random()));
      this.#told.refused();
    });
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #on(event, action) {
    this.#source.addEventListener(event, (message) => {
      this.#last = message.lastEventId;
      action(JSON.parse(message.data));
      this.#listen();
    });
  }

  // Takes it that the other end is gone when nothing is heard for long: a connection that breaks without a
  // word looks open for ever.
  #listen() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.close();
      this.#told.lost();
      this.open();
    }, this.#silence);
  }
}
