// What takes what is in the spool to the ledger, run by run, each in its order, between the turns of the event loop.
import * as delivery from "./delivery.js";
import { AlreadyTaken, LedgerAway, Refused, type Problem, type Trouble } from "./errors.js";
import type { Event } from "./events.js";
import { delay, pause, type Limits } from "./limits.js";
import type { Run } from "./run.js";
import type { RunFile } from "./runfile.js";
import type { Spool } from "./spool.js";
import type { Transport } from "./transport.js";

/** Where many runs have something to say, so many requests are made at once. */
const LANES = 4;
/** Batches of one run that may follow each other while others wait. */
const FAIR = 10;

/** A run on its way: when it is its turn, and what has failed for it alone. Times are those of `now`. */
interface Way {
  file: RunFile;
  due: number;
  notBefore: number;
  failures: number;
}

const now = () => performance.now() / 1_000;

export class Sender {
  /** The runs that a signal has to end. */
  readonly open = new Set<Run>();
  readonly #ways = new Map<RunFile, Way>();
  #used = 0;
  #away = false;
  #failures = 0;
  #notBefore = 0;
  #lookAt = 0;
  #unauthorized = false;
  #lost = { count: 0, why: "", runId: undefined as string | undefined, toldAt: -1 };
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;
  #round: Promise<void> | undefined;

  constructor(
    readonly transport: Transport,
    readonly spool: Spool,
    readonly limits: Limits,
    readonly onTrouble: ((trouble: Trouble) => void) | undefined,
  ) {}

  // Called by the job.

  /** A run to send from now on, or one that has something to say. */
  notice(file: RunFile): void {
    if (file.removed) return;
    let way = this.#ways.get(file);
    if (!way) this.#ways.set(file, (way = { file, due: Infinity, notBefore: 0, failures: 0 }));
    const wanted = file.closed ? now() : Math.min(way.due, now() + this.limits.linger);
    way.due = Math.min(way.due, Math.max(wanted, way.notBefore));
    this.#schedule();
  }

  /** Writes an event to the spool, where there is room for it. Throws what the disk does. */
  report(file: RunFile, event: Event, last: boolean): void {
    const line = `${JSON.stringify(event)}\n`;
    const room = this.limits.spoolBytes - this.#used - line.length;
    if (room < 0 && !last) throw new Error("the spool is full");
    if (event.type === "Progressed" && room < this.limits.spoolBytes / 2) throw new Error("the spool is half full, and signs of life go first");
    this.#used += file.append(line, last);
    const way = this.#ways.get(file);
    if (last || !way || way.due === Infinity) this.notice(file);
  }

  /** Whether the ledger did not answer a moment ago: nobody needs to wait for it. */
  away(): boolean {
    return this.#away && now() < this.#notBefore;
  }

  busy(): boolean {
    return this.#ways.size > 0;
  }

  /** How many runs are not yet sent to their end. */
  left(): number {
    return this.#ways.size;
  }

  /** Takes over, at the next turn, what processes that have died left. */
  adoptNow(): void {
    this.#lookAt = 0;
  }

  /** Waits until the ledger has all that was reported; whether it has. */
  async flush(timeout: number): Promise<boolean> {
    const deadline = now() + timeout;
    this.#notBefore = 0;
    const waiting = () => [...this.#ways.values()].some(({ file, due }) => file.closed || file.waiting() > 0 || due < Infinity);
    // The sender's own timers keep no process alive; this one does, as somebody waits.
    let alarm: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (alarm = setTimeout(resolve, timeout * 1_000)));
    try {
      for (;;) {
        await Promise.race([this.#turn(true), late]);
        if (!waiting()) return true;
        if (now() >= deadline) return false;
        await pause(Math.min(Math.max(this.#notBefore - now(), 0.01), deadline - now()));
      }
    } finally {
      clearTimeout(alarm);
    }
  }

  // What nobody else hears of.

  /** An event could not even be written. The first is told at once, others once a second. */
  lost(error: unknown, runId: string | undefined): void {
    Object.assign(this.#lost, { count: this.#lost.count + 1, why: String(error), runId });
    this.#tellLost();
  }

  #tellLost(): void {
    const { count, why, runId, toldAt } = this.#lost;
    if (count === 0 || now() < toldAt + 1) return;
    Object.assign(this.#lost, { count: 0, toldAt: now() });
    this.tell({ kind: "dropped", detail: why, runId, count });
  }

  tell(trouble: Trouble): void {
    if (!this.onTrouble) return console.warn(`runledger: ${trouble.kind} (run ${trouble.runId}): ${trouble.detail}`);
    try {
      this.onTrouble(trouble);
    } catch (error) {
      console.warn("runledger: onTrouble failed", error);
    }
  }

  // The turns.

  #schedule(): void {
    if (this.#round) return;
    let due = Infinity;
    for (const way of this.#ways.values()) due = Math.min(due, way.due);
    // While runs are open it is looked around once in a while.
    const at = this.#ways.size === 0 ? Infinity : Math.max(Math.min(due, now() + 1), this.#notBefore);
    if (at === Infinity || (this.#timer && this.#timerAt <= at)) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => void this.#turn(false), Math.max(at - now(), 0) * 1_000).unref();
  }

  #turn(hurry: boolean): Promise<void> {
    this.#round ??= this.#send(hurry).finally(() => {
      this.#round = undefined;
      this.#schedule();
    });
    return this.#round;
  }

  async #send(hurry: boolean): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      if (now() >= this.#lookAt) this.#lookAround();
      const due = [...this.#ways.values()].filter((way) => way.due <= now() || hurry);
      const lane = async () => {
        for (let way = due.shift(); way && now() >= this.#notBefore; way = due.shift()) {
          if (way.notBefore <= now()) await this.#sendOne(way);
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      this.#tellLost();
      this.#used = 0;
      for (const { file } of this.#ways.values()) this.#used += file.waiting();
    } catch (error) {
      console.warn("runledger: the sender goes on", error);
      await pause(1);
    }
  }

  #lookAround(): void {
    this.#lookAt = now() + this.limits.adoptEvery;
    this.spool.touch();
    for (const file of this.spool.adopt()) this.#ways.set(file, { file, due: now(), notBefore: 0, failures: 0 });
    this.spool.tidy(new Set([...this.#ways.keys()].map((file) => file.folder)));
  }

  async #sendOne(way: Way): Promise<void> {
    const { file } = way;
    way.due = Infinity;
    try {
      const more = await this.#deliver(file);
      this.answered();
      [way.failures, way.notBefore] = [0, 0];
      if (more) way.due = now();
      else if (file.closed && file.waiting() > 0 && file.lines(1, 1).length > 0) way.due = now();
      else if (file.closed) this.#drop(file);
    } catch (error) {
      if (error instanceof LedgerAway) this.#wait(way, error);
      else if (error instanceof AlreadyTaken) {
        this.#taken(file, error);
      } else if (!(error instanceof Refused)) {
        way.due = way.notBefore = now() + this.limits.retryMost;
        throw error;
      } else if (error.status === 401 || error.status === 403) this.#unauthorizedFor(way, error);
      else this.#refuseRun(file, error);
    }
  }

  /** Sends what a run has to say; whether there is more of it, after a fair share of time. */
  async #deliver(file: RunFile): Promise<boolean> {
    const { meta } = file;
    const { batchEvents, batchBytes, requestTimeout: timeout } = this.limits;
    if (meta.runId === null) {
      await delivery.resolve(this.transport, meta, timeout);
      file.save();
    }
    const runId = String(meta.runId);
    if (meta.started && !meta.claimed) {
      // `Started` goes with the first events. Where it is refused, it is asked why, and these follow later.
      const lines = file.lines(batchEvents - 1, batchBytes);
      try {
        await delivery.post(this.transport, runId, [JSON.stringify(meta.started), ...lines], timeout, 0);
        file.sent(lines);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        await delivery.claim(this.transport, meta, timeout);
      }
      meta.claimed = true;
      file.save();
    }
    for (let batch = 0; batch < FAIR; batch++) {
      const lines = file.lines(batchEvents, batchBytes);
      if (lines.length === 0) return false;
      const rejected = await delivery.append(this.transport, runId, lines, timeout);
      file.sent(lines);
      for (const { line, problem } of rejected) this.refused(file.meta.runId, shown(line), problem);
    }
    return true;
  }

  // What goes wrong.

  /** The ledger is there. */
  answered(): void {
    [this.#failures, this.#notBefore, this.#away, this.#unauthorized] = [0, 0, false, false];
  }

  /** The ledger is not: nothing is sent for a while, longer each time, and never all at the same moment. */
  silent(away: LedgerAway): void {
    this.#away = true;
    this.#failures += 1;
    this.#notBefore = now() + delay(this.limits, this.#failures, away.retryAfter);
  }

  #wait(way: Way, away: LedgerAway): void {
    if (away.ofOneRun) {
      way.failures += 1;
      way.notBefore = now() + delay(this.limits, way.failures, away.retryAfter);
    } else {
      this.silent(away);
    }
    way.due = way.notBefore;
    way.file.sync();
  }

  /** Not about this run: all waits until there is a token that is taken. */
  #unauthorizedFor(way: Way, refused: Refused): void {
    if (!this.#unauthorized) this.tell({ kind: "unauthorized", detail: refused.message, runId: way.file.meta.runId ?? undefined, count: 1 });
    this.#unauthorized = this.#away = true;
    this.#notBefore = now() + delay(this.limits, 8, undefined);
    way.due = 0;
  }

  /** Told once; what was reported is kept for people to look at. */
  #taken(file: RunFile, taken: AlreadyTaken): void {
    file.closed = true;
    let count = 0;
    for (const line of this.#rest(file)) {
      this.spool.setAside(taken.runId, shown(line), { code: "already_taken", detail: taken.message });
      count += 1;
    }
    this.tell({ kind: "taken", detail: taken.message, runId: taken.runId, count });
    this.#drop(file);
  }

  /** The run itself is refused: its start is wrong, or the ledger has no such run. */
  #refuseRun(file: RunFile, refused: Refused): void {
    file.closed = true;
    if (file.meta.runId === null) this.refused(null, { start: file.meta.start }, refused.problem);
    for (const line of this.#rest(file)) this.refused(file.meta.runId, shown(line), refused.problem);
    this.#drop(file);
  }

  *#rest(file: RunFile): Generator<string> {
    for (let lines = file.lines(1_000, 1 << 20); lines.length > 0; lines = file.lines(1_000, 1 << 20)) {
      yield* lines;
      file.sent(lines);
    }
  }

  refused(runId: string | null, event: unknown, problem: Problem): void {
    this.spool.setAside(runId, event, problem);
    this.tell({ kind: "refused", detail: `${problem.code ?? ""}: ${problem.detail ?? ""}`, runId: runId ?? undefined, event, count: 1 });
  }

  #drop(file: RunFile): void {
    this.#ways.delete(file);
    file.remove();
  }
}

/** A line as an event, or as it is where it is none. */
function shown(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return { unreadable: line };
  }
}
