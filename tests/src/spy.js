// Notes what the script of a page does, from before it begins. What tests wait for is written to the root
// element: `data-reads`, `data-running`, `data-sources`, and for each kind of message how many there were.
(() => {
  const { setTimeout: set, clearTimeout: clear, fetch: get, EventSource: Source } = window;
  const note = (name, value) => document.documentElement?.setAttribute(`data-${name}`, value);
  const spy = {
    reads: [], // The addresses that were asked for.
    running: 0, // How many of them are not answered yet.
    timers: new Map(), // What is to be done later.
    sources: [], // The streams that were opened.
    gate: null, // Called with an address: answers another one, or a promise of one.
    // Does at once what was to be done later, as if the time had come.
    ring() {
      for (const [id, action] of [...spy.timers]) {
        clear(id);
        spy.timers.delete(id);
        action();
      }
    },
    // Whether nothing will ever happen again by itself.
    still: () => !spy.running && !spy.timers.size && spy.sources.every((source) => source.readyState === Source.CLOSED),
  };
  window.spy = spy;
  window.setTimeout = (action, after, ...rest) => {
    const id = set(() => {
      spy.timers.delete(id);
      action(...rest);
    }, after);
    spy.timers.set(id, () => action(...rest));
    return id;
  };
  window.clearTimeout = (id) => {
    spy.timers.delete(id);
    clear(id);
  };
  window.fetch = async (address, options) => {
    spy.reads.push(address);
    note("running", ++spy.running);
    try {
      return await get((await spy.gate?.(address)) || address, options);
    } finally {
      // By then the page has done with it what it does.
      set(() => {
        note("running", --spy.running);
        note("reads", spy.reads.length);
      }, 20);
    }
  };
  const heard = { run: 0, reset: 0, position: 0 };
  window.EventSource = class extends Source {
    constructor(...address) {
      super(...address);
      note("sources", spy.sources.push(this));
      for (const kind of Object.keys(heard)) {
        this.addEventListener(kind, () => set(() => note(kind, ++heard[kind])));
      }
    }
  };
})();
