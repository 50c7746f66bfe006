// The ledger of one tenant, as programs use it that start and work on runs.
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import * as delivery from "./delivery.js";
import * as directory from "./directory.js";
import { AlreadyTaken, LedgerAway, RunledgerError, Unclear, type Trouble } from "./errors.js";
import * as events from "./events.js";
import type { StartBody, StartOptions, WholeOptions } from "./events.js";
import { LIMITS, type Limits } from "./limits.js";
import { Outbox, Relay, type Client } from "./outbox.js";
import { Reasons, told } from "./reasons.js";
import { Run } from "./run.js";
import type { RunFile } from "./runfile.js";
import { Sender } from "./sender.js";
import { atExit, watch } from "./signals.js";
import { Spool } from "./spool.js";
import { Transport, type Token } from "./transport.js";

type Context = Record<string, unknown>;

/** Each may also be in RUNLEDGER_URL, RUNLEDGER_TENANT, RUNLEDGER_TOKEN and RUNLEDGER_SPOOL. */
export interface LedgerOptions {
  url?: string;
  tenant?: string;
  /** Or what gives it, for tokens that change. */
  token?: Token;
  spool?: string;
  /** As what this process is shown. */
  worker?: string;
  /** Called with what does not reach the ledger. */
  onTrouble?: (trouble: Trouble) => void;
  limits?: Partial<Limits>;
  handleSigterm?: boolean;
}

/** What the worker needs to know of a run that was dispatched: plain JSON, for any queue. `run_id` is null while the
 * ledger was away; `start` finds the run, or makes it, all the same. */
export interface Ticket {
  run_id: string | null;
  start: StartBody;
  ref?: string;
}

export interface WorkOptions {
  /** The longest silence that is promised, in seconds. */
  heartbeat?: number;
}

export interface OpenOptions extends WorkOptions, StartOptions {
  /** Asks whether the operation is free, and throws `AlreadyTaken` or `LedgerAway` where it is not. Without, the work
   * goes on whatever the ledger says; what it reports is then set aside. */
  exclusive?: boolean;
}

export class Ledger {
  readonly reasons = new Reasons();
  readonly limits: Limits;
  readonly worker: string;
  readonly #sender: Sender;
  readonly #spool: Spool;
  readonly #handleSigterm: boolean;

  constructor(options: LedgerOptions = {}) {
    const url = given(options.url, "url");
    const tenant = given(options.tenant, "tenant");
    this.limits = { ...LIMITS, ...options.limits };
    this.worker = options.worker ?? `${hostname()}/${process.pid}`;
    this.#spool = new Spool(options.spool ?? process.env["RUNLEDGER_SPOOL"] ?? defaultSpool(), url, tenant);
    const transport = new Transport(url, tenant, options.token ?? given(undefined, "token"));
    this.#sender = new Sender(transport, this.#spool, this.limits, options.onTrouble);
    this.#handleSigterm = options.handleSigterm ?? true;
    atExit(this);
  }

  // To work on a run.

  /** Makes a run of each call of a function. `context`, and `title`, may be functions of the call's arguments. */
  run<Arguments extends unknown[], Result>(
    kind: string,
    options: Omit<OpenOptions, "title"> & { context?: Context | ((...values: Arguments) => Context); title?: string | ((...values: Arguments) => string) },
    work: (run: Run, ...values: Arguments) => Promise<Result> | Result,
  ): (...values: Arguments) => Promise<Result> {
    return async (...values) => {
      const start = () => {
        const { context = {}, title, ...others } = options;
        const titled = typeof title === "function" ? title(...values) : title;
        const made = typeof context === "function" ? context(...values) : context;
        return events.start(kind, made, { ...others, ...(titled === undefined ? {} : { title: titled }) });
      };
      return this.#work(await this.#open(start, options.heartbeat, options.exclusive), (run) => work(run, ...values));
    };
  }

  /** A run that is worked on here: what leaves `work` is its end. */
  async open<Result>(kind: string, context: Context, options: OpenOptions, work: (run: Run) => Promise<Result> | Result): Promise<Result> {
    return this.#work(await this.#open(() => events.start(kind, context, options), options.heartbeat, options.exclusive), work);
  }

  /**
   * Takes a run that was dispatched.
   *
   * `AlreadyTaken` is thrown where another worker has it or it has ended. A run whose worker has broken its heartbeat is
   * taken over. While the ledger is away nobody can know: `ifAway` says what then; `work` unless it says `throw`.
   */
  async claim<Result>(ticket: Ticket, options: WorkOptions & { ifAway?: "work" | "throw" }, work: (run: Run) => Promise<Result> | Result): Promise<Result> {
    let file: RunFile | undefined;
    try {
      file = this.#file(ticket.start, ticket.run_id, options.heartbeat);
      await this.#claimNow(file, options.ifAway ?? "work");
    } catch (error) {
      if (error instanceof RunledgerError) throw error;
      this.#sender.lost(error, undefined);
    }
    return this.#work(this.#run(file, options.heartbeat), work);
  }

  /** Reports to a run that another process works on and will end. `leave` it, and `flush` before the other one ends it,
   * or what comes later is refused. */
  join(runId: string, options: WorkOptions = {}): Run {
    try {
      return this.#run(this.#spool.create({ start: null, runId, started: null, claimed: true }), options.heartbeat, false);
    } catch (error) {
      this.#sender.lost(error, runId);
      return this.#run(undefined, options.heartbeat);
    }
  }

  async #open(start: () => StartBody, heartbeat: number | undefined, exclusive = false): Promise<Run> {
    let file: RunFile | undefined;
    try {
      file = this.#file(start(), null, heartbeat);
      if (exclusive) await this.#claimNow(file, "throw");
    } catch (error) {
      if (error instanceof RunledgerError) throw error;
      this.#sender.lost(error, undefined);
    }
    return this.#run(file, heartbeat);
  }

  #file(start: StartBody, runId: string | null, heartbeat: number | undefined): RunFile {
    return this.#spool.create({ start, runId, started: events.started(this.worker, heartbeat), claimed: false });
  }

  async #claimNow(file: RunFile, ifAway: "work" | "throw"): Promise<void> {
    try {
      await this.#ask(() => delivery.claim(this.#sender.transport, file.meta, this.limits.answerTimeout));
      file.save();
    } catch (error) {
      if (error instanceof Unclear || error instanceof AlreadyTaken || (error instanceof LedgerAway && ifAway === "throw")) file.remove();
      if (error instanceof Unclear) throw new AlreadyTaken(String(file.meta.runId), "running");
      if (error instanceof AlreadyTaken || (error instanceof LedgerAway && ifAway === "throw")) throw error;
      // Otherwise the sender asks again, and tells what is wrong.
    }
  }

  #run(file: RunFile | undefined, heartbeat: number | undefined, ends = true): Run {
    const run = new Run(file, this.#sender, this.reasons, heartbeat);
    if (file) {
      this.#sender.notice(file);
      if (ends) this.#sender.open.add(run);
      if (this.#handleSigterm) watch(this);
    }
    return run;
  }

  async #work<Result>(run: Run, work: (run: Run) => Promise<Result> | Result): Promise<Result> {
    let result: Result;
    try {
      result = await work(run);
    } catch (error) {
      run.endBy(error);
      throw error;
    }
    run.complete();
    return result;
  }

  // To have others work on it.

  /**
   * Starts a run on which nobody works here, with its first `events`: all of it is recorded, or nothing. Waits for nobody,
   * as a report does. Gives its ticket.
   *
   * Where another start has made the run already, the events are not in it: they are set aside, and that is told.
   */
  start(kind: string, context: Context, options: WholeOptions = {}): Ticket {
    const start = events.start(kind, context, options);
    this.#say(start, null, undefined);
    return { run_id: null, start };
  }

  /** Starts a run and sends its ticket to a worker, by `send`. An exception of `send` fails the run at once and is thrown
   * again. An operation that is active already is not sent again. */
  async dispatch(
    kind: string,
    context: Context,
    options: StartOptions & { send: (ticket: Ticket) => unknown },
  ): Promise<{ runId: string | null; reused: boolean }> {
    const start = events.start(kind, context, options);
    let runId: string | null = null;
    try {
      const answer = await this.#ask(() => delivery.start(this.#sender.transport, start, this.limits.answerTimeout));
      runId = answer.run_id;
      if (answer.reused) return { runId, reused: true };
    } catch {
      // Dispatched without the ledger: the sender tries again, and tells what is wrong.
    }
    try {
      await options.send({ run_id: runId, start });
    } catch (error) {
      this.#say(start, runId, events.failed("dispatch_failed", told(error)));
      throw error;
    }
    if (runId === null) this.#say(start, null, undefined);
    return { runId, reused: false };
  }

  /** Has the sender say that there is a run, and how it ended. */
  #say(start: StartBody, runId: string | null, end: events.Event | undefined): void {
    try {
      const file = this.#spool.create({ start, runId, started: null, claimed: true });
      if (end) this.#sender.report(file, end, true);
      file.closed = true;
      this.#sender.notice(file);
    } catch (error) {
      this.#sender.lost(error, runId ?? undefined);
    }
  }

  /** The ledger's answer, where it is likely to give one at once. */
  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    if (this.#sender.away()) throw new LedgerAway("the ledger did not answer a moment ago");
    try {
      const answer = await question();
      this.#sender.answered();
      return answer;
    } catch (error) {
      if (error instanceof LedgerAway && !error.ofOneRun) this.#sender.silent(error);
      throw error;
    }
  }

  // The outbox.

  /** Starts and events that are committed with the caller's transaction, or not at all. */
  outbox(client: Client): Outbox {
    return new Outbox(client);
  }

  /** What takes them to the ledger: `ledger.relay(client).run(signal)`. */
  relay(client: Client): Relay {
    return new Relay(client, this.#sender);
  }

  // Names.

  /**
   * Says what ids of a namespace are called, `asOf` when they were read; now, without. How many of the names the ledger
   * did not know.
   *
   * Throws `LedgerAway`, and `Refused` where a name is wrong. Names may be said again at any time: the newest counts, in
   * whatever order they come.
   */
  directory(namespace: string, names: directory.Names, asOf = new Date()): Promise<number> {
    return directory.send(this.#sender.transport, this.limits, namespace, names, asOf);
  }

  // The end.

  /** Waits until the ledger has all that was reported; whether it has. What it has not stays in the spool. */
  flush(timeout: number = this.limits.exitTimeout): Promise<boolean> {
    return this.#sender.flush(timeout);
  }

  /** As `flush`, where there is anything to send. Called by itself when the process has nothing more to do. */
  async close(): Promise<void> {
    if (this.#sender.busy()) await this.flush();
  }

  /** Sends what processes that have died left in the spool; how many runs of them are still not sent. */
  async sendLeft(timeout: number): Promise<number> {
    this.#sender.adoptNow();
    await this.flush(timeout);
    return this.#sender.left();
  }

  /** Ends the runs of this process, and waits until that is told. */
  async abortAll(why: string): Promise<void> {
    for (const run of [...this.#sender.open]) run.abort("cancelled", why);
    await this.flush();
  }
}

function given(value: string | undefined, name: string): string {
  const variable = `RUNLEDGER_${name.toUpperCase()}`;
  const found = value ?? process.env[variable];
  if (!found) throw new Error(`the ledger's ${name} is missing: new Ledger({ ${name}: ... }) or ${variable}`);
  return found;
}

function defaultSpool(): string {
  return join(process.env["XDG_STATE_HOME"] ?? join(homedir(), ".local", "state"), "runledger");
}
