// The transactional outbox: what is to be reported is committed together with the caller's own rows, or not at all.
//
// `Outbox` writes rows into a table of the caller's Postgres or SQLite; `Relay` takes committed ones to the ledger, in order, as
// often as it must: ids are fixed, so the ledger has each once.
import { randomUUID } from "node:crypto";
import * as delivery from "./delivery.js";
import { LedgerAway, Refused } from "./errors.js";
import * as events from "./events.js";
import type { Event, StartBody, WholeOptions } from "./events.js";
import type { Ticket } from "./ledger.js";
import { pause } from "./limits.js";
import type { Sender } from "./sender.js";

/** A client of `pg`, or one like it; see `sqlite` for the other database. */
export interface Client {
  query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
}

/** The table, the same as the other clients' ones. A start that was sent stays for a while: events that come later find
 * the run's id there. */
export const POSTGRES_SCHEMA = `
CREATE TABLE IF NOT EXISTS runledger_outbox (
    seq BIGSERIAL PRIMARY KEY, ref TEXT NOT NULL, body TEXT NOT NULL, run_id TEXT, sent_at DOUBLE PRECISION);
CREATE INDEX IF NOT EXISTS runledger_outbox_unsent ON runledger_outbox (seq) WHERE sent_at IS NULL;
CREATE INDEX IF NOT EXISTS runledger_outbox_ref ON runledger_outbox (ref);
`;

/** The same for SQLite. */
export const SQLITE_SCHEMA = POSTGRES_SCHEMA.replace("BIGSERIAL PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT").replace("DOUBLE PRECISION", "REAL");

/** A connection of `better-sqlite3`, of `node:sqlite` (`DatabaseSync`), or one like them. */
export interface SqliteDatabase {
  prepare(sql: string): { all(...values: never[]): unknown[]; run(...values: never[]): unknown };
}

/** A connection to SQLite for `Outbox` and `Relay`. The relay wants one of its own: what it does on the caller's connection
 * would be part of the caller's transaction. */
export const sqlite = (database: SqliteDatabase): Client => ({
  async query(sql, values = []) {
    // Each of our statements names its values once, in order.
    const statement = database.prepare(sql.replace(/\$\d+/g, "?"));
    if (/^SELECT/i.test(sql)) return { rows: statement.all(...(values as never[])) as Record<string, unknown>[] };
    statement.run(...(values as never[]));
    return { rows: [] };
  },
});

interface Part {
  start?: StartBody;
  event?: Event;
  run_id?: string | null;
}

/** Writes with the caller's client, in the caller's transaction, and never commits. Unlike reports it throws what the
 * database does: the transaction is lost then anyway. */
export class Outbox {
  constructor(private readonly client: Client) {}

  /** A run, from the commit on, with its first `events`. Gives its ticket, to be enqueued in the same transaction. */
  async start(kind: string, context: Record<string, unknown>, options: WholeOptions = {}): Promise<Ticket & { ref: string }> {
    const ref = randomUUID();
    const start = events.start(kind, context, options);
    await this.#insert(ref, { start });
    return { ref, run_id: null, start };
  }

  /** An event of a run, such as `events.completed()`. */
  async report(ticket: Ticket, event: Event): Promise<void> {
    const ref = ticket.ref ?? ticket.run_id;
    if (!ref) throw new Error("the ticket names no run: it has neither ref nor run_id");
    await this.#insert(ref, { event, run_id: ticket.run_id, start: ticket.start });
  }

  async #insert(ref: string, body: Part): Promise<void> {
    await this.client.query("INSERT INTO runledger_outbox (ref, body) VALUES ($1, $2)", [ref, JSON.stringify(body)]);
  }
}

/** Takes committed rows to the ledger. Several may run: what one sends again is known by its id. */
export class Relay {
  constructor(private readonly client: Client, private readonly sender: Sender, private readonly keepDays = 7) {}

  /** Until `signal` is aborted. Neither an absent ledger nor an absent database ends it. */
  async run(signal: AbortSignal, every = 0.5): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        while (!signal.aborted && (await this.step()) > 0);
        failures = 0;
      } catch (error) {
        failures += 1;
        if (failures === 1) console.warn(`runledger: the outbox waits: ${String(error)}`);
      }
      const most = Math.min(every * 2 ** Math.min(failures, 6), 30);
      await pause(most / 2 + (Math.random() * most) / 2);
    }
  }

  /** Sends the oldest rows; how many there were. Throws `LedgerAway`, and what the database does. */
  async step(limit = 1_000): Promise<number> {
    const { rows } = await this.client.query("SELECT seq, ref, body FROM runledger_outbox WHERE sent_at IS NULL ORDER BY seq LIMIT $1", [limit]);
    const byRun = new Map<string, [unknown, Part][]>();
    for (const { seq, ref, body } of rows) {
      const parts = byRun.get(String(ref)) ?? [];
      parts.push([seq, JSON.parse(String(body)) as Part]);
      byRun.set(String(ref), parts);
    }
    for (const [ref, parts] of byRun) await this.#send(ref, parts);
    await this.client.query("DELETE FROM runledger_outbox WHERE sent_at < $1", [Date.now() / 1_000 - this.keepDays * 86_400]);
    return rows.length;
  }

  async #send(ref: string, parts: [unknown, Part][]): Promise<void> {
    let done = parts;
    try {
      const runId = await this.#runId(ref, parts);
      done = parts.filter(([, part]) => part.event);
      const lines = done.map(([, part]) => JSON.stringify(part.event));
      const rejected = await delivery.append(this.sender.transport, runId, lines, this.sender.limits.requestTimeout);
      for (const { line, problem } of rejected) this.sender.refused(runId, JSON.parse(line), problem);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 401 || error.status === 403) throw new LedgerAway(error.message);
      for (const [, part] of parts) this.sender.refused(null, part, error.problem);
      done = parts;
    }
    for (const [seq] of done) await this.client.query("DELETE FROM runledger_outbox WHERE seq = $1", [seq]);
  }

  /** As the ledger told it, now or before. It is kept before anything builds on it. */
  async #runId(ref: string, parts: [unknown, Part][]): Promise<string> {
    const [seq, first] = parts[0] as [unknown, Part];
    const known = await this.client.query("SELECT run_id FROM runledger_outbox WHERE ref = $1 AND run_id IS NOT NULL", [ref]);
    const timeout = this.sender.limits.requestTimeout;
    const runId = known.rows[0]?.["run_id"] ?? first.run_id ?? (await delivery.begin(this.sender.transport, first.start as StartBody, timeout));
    if (!first.event) await this.client.query("UPDATE runledger_outbox SET run_id = $1, sent_at = $2 WHERE seq = $3", [runId, Date.now() / 1_000, seq]);
    return String(runId);
  }
}
