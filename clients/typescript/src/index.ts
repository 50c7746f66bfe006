/** Reports long-running operations to Runledger: see README.md. */
export { AlreadyTaken, LedgerAway, Refused, RunledgerError, type Trouble } from "./errors.js";
export * as events from "./events.js";
export { Ledger, type LedgerOptions, type OpenOptions, type Ticket, type WorkOptions } from "./ledger.js";
export { LIMITS, type Limits } from "./limits.js";
export { Outbox, POSTGRES_SCHEMA, Relay, SQLITE_SCHEMA, sqlite, type Client, type SqliteDatabase } from "./outbox.js";
export { Reasons } from "./reasons.js";
export { Run, type Item, type ItemOptions } from "./run.js";
