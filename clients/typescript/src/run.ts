// A run, as the worker sees it: everything here only writes a line to the spool, and never throws.
import * as events from "./events.js";
import type { Event } from "./events.js";
import { told, type Reasons } from "./reasons.js";
import type { RunFile } from "./runfile.js";
import type { Sender } from "./sender.js";

/** Messages of `progress` that may come at once; then one a second. */
const BURST = 10;

const now = () => performance.now() / 1_000;

export interface ItemOptions {
  label?: unknown;
  /** In which one of the directory the item is an id. It is then shown by the name of today. */
  namespace?: string;
  /** Lets the exception go on, after it was reported. */
  reraise?: boolean;
}

/** Says what becomes of an item where that is neither success nor exception. */
export interface Item {
  skip(reason?: string): void;
  fail(reason: string, why: unknown): void;
}

export class Run {
  readonly #beat: number;
  #aliveAt = now();
  #countedAt = now();
  #allowance = BURST;
  #pending: [unknown, number | undefined] | undefined;

  /** `heartbeat`: as it was promised, in seconds; signs of life come three times as often. */
  constructor(
    readonly file: RunFile | undefined,
    private readonly sender: Sender,
    private readonly reasons: Reasons,
    heartbeat: number | undefined,
  ) {
    this.#beat = heartbeat === undefined ? Infinity : heartbeat / 3;
  }

  /** The run's id, once the ledger has told it. */
  get id(): string | null {
    return this.file?.meta.runId ?? null;
  }

  // What becomes of items.

  /** Does one item's work: its return is the item's success, an exception its failure. The exception is told and goes no
   * further, so that the next item has its turn; with `reraise` it does. */
  async item<Result>(name: unknown, options: ItemOptions, work: (item: Item) => Result | Promise<Result>): Promise<Result | undefined>;
  async item<Result>(name: unknown, work: (item: Item) => Result | Promise<Result>): Promise<Result | undefined>;
  async item<Result>(name: unknown, ...rest: unknown[]): Promise<Result | undefined> {
    const work = rest.pop() as (item: Item) => Result | Promise<Result>;
    const { label, namespace, reraise } = (rest[0] ?? {}) as ItemOptions;
    let outcome = () => this.succeeded(name, label, namespace);
    this.tick();
    try {
      const result = await work({
        skip: (reason) => (outcome = () => this.skipped(name, reason, label, namespace)),
        fail: (reason, why) => (outcome = () => this.failed(name, reason, why, label, namespace)),
      });
      outcome();
      return result;
    } catch (error) {
      this.failed(name, error, undefined, label, namespace);
      // Cancelling is about the run, not about this item.
      if (reraise || this.reasons.of(error) === "cancelled") throw error;
      return undefined;
    }
  }

  succeeded(item: unknown, label?: unknown, namespace?: string): void {
    this.#report(() => events.succeeded(item, label, namespace));
  }

  /** `reason`: a reason code with `why`, or an exception, which has both. */
  failed(item: unknown, reason: unknown, why?: unknown, label?: unknown, namespace?: string): void {
    const [code, explained] = this.#because(reason, why);
    this.#report(() => events.failedItem(item, code, explained, label, namespace));
  }

  skipped(item: unknown, reason?: string, label?: unknown, namespace?: string): void {
    this.#report(() => events.skipped(item, reason, label, namespace));
  }

  // Signs of life.

  /** The work advances. To be called in long loops that report nothing, as often as they like: only when a sign of life
   * is due, one is written. There is no timer, so a worker that hangs falls silent. */
  tick(): void {
    if (now() - this.#aliveAt < this.#beat) return;
    const [message, total] = this.#pending ?? [];
    this.#pending = undefined;
    this.#report(() => events.progressed(message, total));
  }

  /** Tells people how far it is: some at once, then one a second; of those between the last one counts. */
  progress(message?: unknown, itemsTotal?: number): void {
    this.#allowance = Math.min(BURST, this.#allowance + now() - this.#countedAt);
    this.#countedAt = now();
    const total = itemsTotal ?? this.#pending?.[1];
    if (this.#allowance < 1) {
      this.#pending = [message, total];
      return;
    }
    this.#allowance -= 1;
    this.#pending = undefined;
    this.#report(() => events.progressed(message, total));
  }

  // The end. The first one counts.

  complete(message?: unknown): void {
    this.#end(() => events.completed(message));
  }

  fail(reason: unknown, why?: unknown): void {
    const [code, explained] = this.#because(reason, why);
    this.#end(() => events.failed(code, explained));
  }

  abort(reason = "cancelled", why: unknown = "the work was stopped"): void {
    this.#end(() => events.aborted(reason, why));
  }

  /** The end that an exception is. */
  endBy(error: unknown): void {
    const code = this.reasons.of(error);
    if (code === "cancelled") this.abort(code, told(error));
    else this.fail(code, told(error));
  }

  /** Nothing more will be reported here to a run that goes on. */
  leave(): void {
    if (!this.file) return;
    this.file.closed = true;
    this.sender.notice(this.file);
  }

  #because(reason: unknown, why: unknown): [string, unknown] {
    return typeof reason === "string" ? [reason, why ?? ""] : [this.reasons.of(reason), why ?? told(reason)];
  }

  #end(make: () => Event): void {
    if (this.#pending) {
      const [message, total] = this.#pending;
      this.#pending = undefined;
      this.#report(() => events.progressed(message, total));
    }
    this.#report(make, true);
    this.sender.open.delete(this);
  }

  #report(make: () => Event, last = false): void {
    if (!this.file) return;
    try {
      this.sender.report(this.file, make(), last);
    } catch (error) {
      this.sender.lost(error, this.id ?? undefined); // whatever it is, it is not the work's trouble
    }
    this.#aliveAt = now();
  }
}
