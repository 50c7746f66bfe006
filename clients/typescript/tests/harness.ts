// A real ledger, seen through a proxy that can be made to fail.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Ledger, type LedgerOptions, type Limits, type Trouble } from "../src/index.js";
import type { components } from "../src/schema.js";

type Schemas = components["schemas"];
export type Told = Schemas["EventPage"]["events"][number] & { data: Record<string, unknown> };

const [url, tenant, token] = ["URL", "TENANT", "TOKEN"].map((name) => process.env[`RUNLEDGER_${name}`] as string) as [string, string, string];
export const TOKEN = token;
export const WORKER = join(import.meta.dirname, "worker.js");

/** A kind that no other test uses. */
export const kind = () => `test.t${randomUUID().slice(0, 13)}`;

export const folder = () => mkdtempSync(join(tmpdir(), "runledger-"));

/** Short times, so that a test need not wait for them. */
const QUICK: Partial<Limits> = { retryFirst: 0.05, retryMost: 0.2, adoptEvery: 0.2, exitTimeout: 15 };

export interface World {
  spool: string;
  troubles: Trouble[];
  make(options?: LedgerOptions, limits?: Partial<Limits>): Ledger;
}

/** What a test begins with: a spool of its own, and ledgers on it. */
export function world(): World {
  const [spool, troubles] = [folder(), [] as Trouble[]];
  const make = (options: LedgerOptions = {}, limits: Partial<Limits> = {}) =>
    new Ledger({ spool, onTrouble: (trouble) => troubles.push(trouble), ...options, limits: { ...QUICK, ...limits } });
  return { spool, troubles, make };
}

export async function get<Answer>(path: string): Promise<Answer> {
  const answer = await fetch(`${url}/v1/tenants/${tenant}${path}`, { headers: { Authorization: `Bearer ${token}` } });
  if (!answer.ok) throw Object.assign(new Error(`${answer.status} ${await answer.text()}`), { status: answer.status });
  return (await answer.json()) as Answer;
}

export const run = (id: string | null) => get<Schemas["Run"]>(`/runs/${id}`);
export const runs = async (of: string) => (await get<Schemas["RunPage"]>(`/runs?kind=${of}`)).runs;

export async function events(id: string | null): Promise<Told[]> {
  const found: Told[] = [];
  for (let cursor: string | null | undefined = ""; cursor !== undefined && cursor !== null; ) {
    const page: Schemas["EventPage"] = await get(`/runs/${id}/events?limit=200${cursor && `&cursor=${cursor}`}`);
    found.push(...(page.events as Told[]));
    cursor = page.next_cursor;
  }
  return found;
}

export const types = async (id: string | null) => (await events(id)).map((event) => event.type);

/** Waits until it is so: the read tables follow the log, and the sender the work. */
export async function until<Found>(what: () => Found | Promise<Found>, seconds = 20): Promise<NonNullable<Found>> {
  for (const deadline = Date.now() + seconds * 1_000; ; await sleep(20)) {
    try {
      const found = await what();
      if (found) return found;
    } catch (error) {
      if ((error as { status?: number }).status !== 404) throw error;
    }
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
  }
}

/** The one run of a kind, once it has that status. */
export async function onlyRun(of: string, status: string): Promise<Schemas["Run"]> {
  const id = await until(async () => {
    const found = await runs(of);
    assert.ok(found.length <= 1, `${found.length} runs`);
    return found[0]?.status === status ? found[0].run_id : undefined;
  });
  return run(id);
}

/** A worker that has reported so many items and then hangs. */
export async function startWorker(url: string, spool: string, name: string, items = 3): Promise<ChildProcess> {
  const worker = spawn(process.execPath, [WORKER, url, spool, name, String(items)], { stdio: ["ignore", "pipe", "inherit"] });
  await once(worker.stdout!, "data");
  return worker;
}

export interface Asked {
  at: number;
  path: string;
  body: string;
  events: Record<string, unknown>[];
}

/** `mode`: `pass`; `away` closes connections; `lost` does what is asked and loses the answer; `busy` is 503 with
 * `Retry-After`; `hang` never answers. */
export class Proxy {
  mode: "pass" | "away" | "lost" | "busy" | "hang" = "pass";
  retryAfter = 1;
  asked: Asked[] = [];
  url = "";

  static async start(test: TestContext): Promise<Proxy> {
    const proxy = new Proxy();
    const server = createServer((request, response) => void proxy.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    test.after(() => {
      server.closeAllConnections();
      server.close();
    });
    return proxy;
  }

  appended(): Asked[] {
    return this.asked.filter(({ path, body }) => path.endsWith("/events") && body);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const sent = body ? ((JSON.parse(body) as { events?: Record<string, unknown>[] }).events ?? []) : [];
    this.asked.push({ at: performance.now(), path: request.url ?? "", body, events: sent });
    const { mode } = this;
    if (mode === "hang") return;
    if (mode === "away") return void request.socket.destroy();
    if (mode === "busy") return void response.writeHead(503, { "Retry-After": String(this.retryAfter) }).end('{"code": "overloaded"}');
    const headers: Record<string, string> = {};
    for (const name of ["authorization", "content-type", "if-match"]) {
      const value = request.headers[name];
      if (typeof value === "string") headers[name] = value;
    }
    const method = request.method ?? "GET";
    const answer = await fetch(`${url}${request.url}`, { method, headers, ...(body ? { body } : {}) });
    const said = await answer.text();
    if (mode === "lost") request.socket.destroy();
    else response.writeHead(answer.status).end(said);
  }
}
