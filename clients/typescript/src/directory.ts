// What ids are called: sent in batches, and again where the ledger does not answer.
import { LedgerAway } from "./errors.js";
import { line, text } from "./events.js";
import { delay, pause, type Limits } from "./limits.js";
import type { components } from "./schema.js";
import type { Transport } from "./transport.js";

type Schemas = components["schemas"];

/** Ids and their names. */
export type Names = Record<string, unknown> | Iterable<readonly [unknown, unknown]>;

/** How many of the names are new. What was sent before an exception stays. */
export async function send(transport: Transport, limits: Limits, namespace: string, names: Names, asOf: Date): Promise<number> {
  const as_of = asOf.toISOString();
  const pairs = Symbol.iterator in names ? names : Object.entries(names);
  let [entries, recorded] = [[] as Schemas["EntryBody"][], 0];
  const flush = async () => {
    recorded += (await post(transport, limits, JSON.stringify({ entries }))).recorded;
    entries = [];
  };
  for (const [id, name] of pairs as Iterable<readonly [unknown, unknown]>) {
    entries.push({ namespace, id: text(id), name: line(name), as_of });
    if (entries.length === limits.batchEvents) await flush();
  }
  if (entries.length > 0) await flush();
  return recorded;
}

/** Asks again for as long as a request may take. */
async function post(transport: Transport, limits: Limits, body: string): Promise<Schemas["DirectoryAnswer"]> {
  for (let deadline = performance.now() + limits.requestTimeout * 1_000, failures = 1; ; failures++) {
    try {
      return await transport.request("POST", "/directory", limits.requestTimeout, body);
    } catch (error) {
      if (!(error instanceof LedgerAway)) throw error;
      const seconds = delay(limits, failures, error.retryAfter);
      if (performance.now() + seconds * 1_000 > deadline) throw error;
      await pause(seconds);
    }
  }
}
