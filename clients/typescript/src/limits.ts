/** How much at once, and how long. Times are in seconds, sizes in bytes. */
export interface Limits {
  /** Events of one request; the ledger takes at most 1,000. */
  batchEvents: number;
  batchBytes: number;
  /** How long the first event of a batch waits for others. An end waits for none. */
  linger: number;
  /** What may wait to be sent. Beyond half of it, signs of life are dropped; beyond all of it, all but ends. */
  spoolBytes: number;
  /** How long `dispatch`, `claim` and `exclusive` wait for the ledger's answer. */
  answerTimeout: number;
  /** How long the sender waits for it. Nobody waits for the sender. */
  requestTimeout: number;
  /** How long the end of the process waits for what is still to be sent. */
  exitTimeout: number;
  retryFirst: number;
  retryMost: number;
  /** How often it is looked for what processes that have died have left in the spool. */
  adoptEvery: number;
}

export const LIMITS: Limits = {
  batchEvents: 1_000,
  batchBytes: 1_000_000,
  linger: 0.1,
  spoolBytes: 64 * 1024 * 1024,
  answerTimeout: 2,
  requestTimeout: 15,
  exitTimeout: 5,
  retryFirst: 0.25,
  retryMost: 30,
  adoptEvery: 5,
};

/** How long to wait after so many failures, in seconds, never the same for all that wait. `retryAfter` is the ledger's
 * own word on it. */
export function delay(limits: Limits, failures: number, retryAfter: number | undefined): number {
  const most = Math.min(limits.retryFirst * 2 ** Math.min(failures - 1, 16), limits.retryMost);
  return (retryAfter ?? most / 2) + (Math.random() * most) / 2;
}

export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(seconds, 0) * 1_000));
}
