// A worker as a process of its own: `worker.js URL SPOOL KIND ITEMS`, or `worker.js join URL SPOOL RUN NAME`.
import { Ledger } from "../src/index.js";

const [first, ...rest] = process.argv.slice(2) as [string, ...string[]];
if (first === "join") {
  const [url, spool, run, name] = rest as [string, string, string, string];
  const ledger = new Ledger({ url, spool });
  const part = ledger.join(run);
  for (let item = 0; item < 50; item++) part.succeeded(`${name} ${item}`);
  part.leave();
  process.exitCode = (await ledger.flush()) ? 0 : 1;
} else {
  const [spool, kind, items] = rest as [string, string, string];
  const ledger = new Ledger({ url: first, spool, limits: { exitTimeout: 2 }, onTrouble: () => undefined });
  await ledger.open(kind, {}, { heartbeat: 30 }, async (run) => {
    for (let item = 0; item < Number(items); item++) run.succeeded(item);
    console.log("ready");
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  });
}
