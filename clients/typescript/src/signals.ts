// The end of the process. Where it has nothing more to do, what was reported is sent, for some seconds at most.
//
// SIGTERM: the runs of the process end, that is told within a few seconds, and then the process ends as it would have.
//
// Only where nobody else listens to the signal: programs with a listener of their own call `abortAll` there.
import type { Ledger } from "./ledger.js";

const made = new Set<Ledger>();
const watched = new Set<Ledger>();

export function atExit(ledger: Ledger): void {
  if (made.size === 0) process.once("beforeExit", () => made.forEach((one) => void one.close()));
  made.add(ledger);
}

export function watch(ledger: Ledger): void {
  if (watched.size === 0 && process.listenerCount("SIGTERM") === 0) process.once("SIGTERM", () => void ended());
  watched.add(ledger);
}

async function ended(): Promise<void> {
  await Promise.all([...watched].map((ledger) => ledger.abortAll("the worker was told to end (SIGTERM)")));
  process.kill(process.pid, "SIGTERM");
}
