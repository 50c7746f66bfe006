// SIGTERM: the runs of the process end, that is told within a few seconds, and then the process ends as it would have.
//
// Only where nobody else listens to the signal: programs with a listener of their own call `abortAll` there.
import type { Ledger } from "./ledger.js";

const watched = new Set<Ledger>();

export function watch(ledger: Ledger): void {
  if (watched.size === 0 && process.listenerCount("SIGTERM") === 0) process.once("SIGTERM", () => void ended());
  watched.add(ledger);
}

async function ended(): Promise<void> {
  await Promise.all([...watched].map((ledger) => ledger.abortAll("the worker was told to end (SIGTERM)")));
  process.kill(process.pid, "SIGTERM");
}
