// How one run's lines get to the ledger: start it, claim it, append, and what to do where the ledger says no.
import { AlreadyTaken, Refused, Unclear, type Problem } from "./errors.js";
import { takenOver, type Event, type StartBody } from "./events.js";
import { pause } from "./limits.js";
import type { Meta } from "./runfile.js";
import type { components } from "./schema.js";
import type { Transport } from "./transport.js";

type Schemas = components["schemas"];

/** A line that the ledger does not take, and why. */
export interface Rejected {
  line: string;
  problem: Problem;
}

/** Starts a run, or names the active one of the same operation. Safe to repeat. */
export function start(transport: Transport, body: StartBody, timeout: number): Promise<Schemas["StartAnswer"]> {
  return transport.request("POST", "/runs", timeout, JSON.stringify(body));
}

/** The run of a start. Throws `Refused` where another start has made it, so that it has not this one's events. */
export async function begin(transport: Transport, body: StartBody, timeout: number): Promise<string> {
  const { run_id, reused } = await start(transport, body, timeout);
  if (reused && body.events?.length) {
    throw new Refused(409, { code: "already_taken", detail: `run ${run_id} does this work already: it has not the events of this start` });
  }
  return run_id;
}

/** The run's id, by its start where it is not known. */
export async function resolve(transport: Transport, meta: Meta, timeout: number): Promise<string> {
  meta.runId ??= await begin(transport, meta.start as StartBody, timeout);
  return meta.runId;
}

export function post(transport: Transport, runId: string, lines: string[], timeout: number, ifMatch?: number): Promise<Schemas["AppendAnswer"]> {
  return transport.request("POST", `/runs/${runId}/events`, timeout, `{"events":[${lines.join(",")}]}`, ifMatch);
}

/**
 * Takes the run for this worker: it is queued, or the worker that had it has broken its heartbeat.
 *
 * Of several workers one succeeds, and it does so again where its answer was lost: the event is known by its id.
 * Throws `AlreadyTaken`.
 */
export async function claim(transport: Transport, meta: Meta, timeout: number): Promise<void> {
  const runId = await resolve(transport, meta, timeout);
  if (!meta.started || meta.claimed) return;
  try {
    await post(transport, runId, [JSON.stringify(meta.started)], timeout, 0);
  } catch (error) {
    if (!(error instanceof Refused) || (error.status !== 409 && error.status !== 412)) throw error;
    // An event of ours that says something else under this id: we have taken it over already.
    if (error.problem.code !== "event_id_taken") await takeOver(transport, runId, meta.started, error, timeout);
  }
  meta.claimed = true;
}

async function takeOver(transport: Transport, runId: string, started: Event & { type: "Started" }, refused: Refused, timeout: number) {
  const run = await seen(transport, runId, Number(refused.problem["current_revision"] ?? 0), timeout);
  if (run.status !== "running" || run.liveness?.state !== "stalled") throw new AlreadyTaken(runId, run.status);
  try {
    await post(transport, runId, [JSON.stringify(takenOver(started))], timeout, run.revision);
  } catch (error) {
    if (error instanceof Refused) throw new AlreadyTaken(runId, run.status);
    throw error;
  }
}

/** The run as readers see it, at that revision at least: they may be a moment behind. */
async function seen(transport: Transport, runId: string, revision: number, timeout: number): Promise<Schemas["Run"]> {
  for (let tries = 0; tries < 20; tries++) {
    try {
      const run = await transport.request<Schemas["Run"]>("GET", `/runs/${runId}`, timeout);
      if (run.revision >= revision) return run;
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 404) throw error;
    }
    await pause(0.05);
  }
  throw new Unclear(runId);
}

/** Appends what the ledger takes, in order, and gives back what it refuses: one bad event does not keep the others out.
 * Throws `Refused` where it is not about the events: no such run, no such token. */
export async function append(transport: Transport, runId: string, lines: string[], timeout: number): Promise<Rejected[]> {
  const rejected: Rejected[] = [];
  let left = lines;
  while (left.length > 0) {
    try {
      await post(transport, runId, left, timeout);
      break;
    } catch (error) {
      if (!(error instanceof Refused) || [401, 403, 404].includes(error.status)) throw error;
      const bad = named(error, left.length);
      if (bad.size > 0) {
        rejected.push(...left.filter((_, index) => bad.has(index)).map((line) => ({ line, problem: error.problem })));
        left = left.filter((_, index) => !bad.has(index));
      } else {
        // It does not say which: halves tell.
        const middle = left.length >> 1;
        rejected.push(...(await append(transport, runId, left.slice(0, middle), timeout)));
        left = left.slice(middle);
      }
    }
  }
  return rejected;
}

/** Which of so many events a refusal is about. */
function named(refused: Refused, count: number): Set<number> {
  const { problem } = refused;
  const bad = new Set<number>();
  for (const { pointer } of problem.errors ?? []) {
    const index = /^\/events\/(\d+)/.exec(pointer)?.[1];
    if (index !== undefined) bad.add(Number(index));
  }
  const index = problem["event_index"];
  if (typeof index === "number") {
    bad.add(index);
    // The run has ended: nothing may follow.
    const ended = problem.code === "illegal_transition" && !["queued", "running"].includes(String(problem["current_status"]));
    for (let next = index; ended && next < count; next++) bad.add(next);
  }
  if (bad.size === 0 && count === 1) bad.add(0);
  return bad;
}
