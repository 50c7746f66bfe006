// What a report costs the job, and how many go through one client. Figures, no verdicts: `node out/bench.js` with
// RUNLEDGER_URL, RUNLEDGER_TENANT and RUNLEDGER_TOKEN.
import { randomUUID } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Ledger } from "./src/index.js";

const [CALLS, ITEMS] = [20_000, 100_000];
const kind = `bench.t${randomUUID().slice(0, 8)}`;
const ledger = new Ledger({ spool: mkdtempSync(join(tmpdir(), "runledger-")), limits: { spoolBytes: 2 ** 30 } });

await ledger.open(kind, { n: 1 }, {}, async (run) => {
  const times: number[] = [];
  for (let n = 0; n < CALLS; n++) {
    const began = performance.now();
    run.succeeded(`item-${n}`);
    times.push((performance.now() - began) * 1_000);
    if (n % 100 === 0) await sleep(1); // a job has something else to do
  }
  times.sort((a, b) => a - b);
  const mean = times.reduce((sum, time) => sum + time, 0) / CALLS;
  console.log(`one report, in microseconds: median ${times[CALLS / 2]?.toFixed(1)}  mean ${mean.toFixed(1)}  99 % ${times[CALLS * 0.99]?.toFixed(1)}`);
});
await ledger.flush(600);

const began = performance.now();
await ledger.open(kind, { n: 2 }, {}, (run) => {
  for (let n = 0; n < ITEMS; n++) run.succeeded(`item-${n}`);
});
const called = (performance.now() - began) / 1_000;
await ledger.flush(600);
const through = ITEMS / ((performance.now() - began) / 1_000);
console.log(`${ITEMS} items: told in ${called.toFixed(2)} s, at the ledger ${through.toFixed(0)}/s`);
