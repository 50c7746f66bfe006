// What can go wrong between a worker and its ledger. Only questions throw these (`claim`, `exclusive`); reports never do.
import type { components } from "./schema.js";

export type Problem = Partial<components["schemas"]["Problem"]> & Record<string, unknown>;

export class RunledgerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}

/** Another worker has the run, or it has ended: there is nothing to do here. */
export class AlreadyTaken extends RunledgerError {
  constructor(readonly runId: string, readonly status: string) {
    super(`run ${runId} is ${status}, and not for this worker`);
  }
}

/** The ledger does not answer for now. `retryAfter` is its own word on when to ask again, in seconds; `ofOneRun` says
 * that others may fare better. */
export class LedgerAway extends RunledgerError {
  constructor(why: string, readonly retryAfter?: number, readonly ofOneRun = false) {
    super(why);
  }
}

/** Somebody has started the run, and the ledger can't say yet whether that one still works. */
export class Unclear extends LedgerAway {
  constructor(runId: string) {
    super(`the read tables are behind run ${runId}`, undefined, true);
  }
}

/** The ledger says no, and will say so again: `problem` has its reason, in the form of docs/errors.md. */
export class Refused extends RunledgerError {
  constructor(readonly status: number, readonly problem: Problem) {
    super(`${status} ${problem.code ?? ""}: ${problem.detail ?? ""}`);
  }
}

/**
 * What did not reach the ledger, for `onTrouble`.
 *
 * `refused`: the ledger said no; the event is in `refused.log` of the spool. `taken`: another worker has the run, so
 * nothing of this one is reported. `dropped`: the spool is full, or can't be written; told once a second, with a count.
 * `unauthorized`: the token is not taken; everything waits until one is.
 */
export interface Trouble {
  kind: "refused" | "taken" | "dropped" | "unauthorized";
  detail: string;
  runId?: string | undefined;
  event?: unknown;
  count: number;
}
