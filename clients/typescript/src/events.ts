// The events that a worker reports, as the ledger takes them. Each gets its id and its time here, at the call: sent
// again, however late, it is the same event.
import { randomUUID } from "node:crypto";
import type { components } from "./schema.js";

type Schemas = components["schemas"];

export type Event = Schemas["EventItem"];
export type StartBody = Schemas["StartBody"];

/** What may be said of a run when it starts, besides its kind and context. */
export interface StartOptions {
  initiator?: string | { id: string; name?: string };
  itemsTotal?: number;
  labels?: Record<string, string>;
  title?: string;
  unordered?: string[];
  /** A name of the caller's own for this start; without it one is made. */
  ref?: { source: string; id: string };
}

/** The ledger keeps 300 characters of a text. More would only fill the spool. */
const TEXT_LIMIT = 300;

/** Any value as a text that UTF-8 can carry: half a character is spelled out. */
export function text(value: unknown): string {
  return String(value).replace(/\p{Surrogate}/gu, (half) => `\\u${half.charCodeAt(0).toString(16)}`);
}

/** One line of at most 300 characters, never empty. */
export function message(value: unknown): string {
  const line = text(String(value).slice(0, TEXT_LIMIT * 8)).split(/\s+/u).filter(Boolean).join(" ");
  const characters = [...line];
  const cut = characters.length > TEXT_LIMIT ? `${characters.slice(0, TEXT_LIMIT - 1).join("")}\u2026` : line;
  return cut || "no message";
}

const now = () => new Date().toISOString();
const moment = () => ({ id: randomUUID(), occurred_at: now() });
const labelled = (label: unknown) => (label === undefined ? {} : { label: message(label) });
const explained = (why: unknown) => (why === undefined ? {} : { message: message(why) });

export function started(worker: string, heartbeat?: number): Event & { type: "Started" } {
  const seconds = heartbeat === undefined ? {} : { heartbeat_seconds: Math.min(Math.max(Math.round(heartbeat), 1), 86_400) };
  return { type: "Started", ...moment(), worker: message(worker), ...seconds };
}

export function succeeded(item: unknown, label?: unknown): Event {
  return { type: "ItemSucceeded", ...moment(), item: text(item), ...labelled(label) };
}

export function failedItem(item: unknown, reason: string, why: unknown, label?: unknown): Event {
  return { type: "ItemFailed", ...moment(), item: text(item), reason_code: reason, message: message(why), ...labelled(label) };
}

export function skipped(item: unknown, reason?: string, label?: unknown): Event {
  return { type: "ItemSkipped", ...moment(), item: text(item), ...(reason === undefined ? {} : { reason_code: reason }), ...labelled(label) };
}

export function progressed(why?: unknown, itemsTotal?: number): Event & { type: "Progressed" } {
  return { type: "Progressed", ...moment(), ...explained(why), ...(itemsTotal === undefined ? {} : { items_total: itemsTotal }) };
}

export function completed(why?: unknown): Event {
  return { type: "Completed", ...moment(), ...explained(why) };
}

export function failed(reason: string, why: unknown): Event {
  return { type: "Failed", ...moment(), reason_code: reason, message: message(why) };
}

export function aborted(reason: string, why: unknown): Event {
  return { type: "Aborted", ...moment(), reason_code: reason, message: message(why) };
}

/** What a successor says in the place of `started`, under the same id. */
export function takenOver(started: Event & { type: "Started" }): Event {
  return { ...started, type: "Resumed" as "Started" };
}

/** What `POST .../runs` takes. It is made once and sent as it is, as often as it must be, by every program that has to say
 * that the run exists. */
export function start(kind: string, context: Record<string, unknown>, options: StartOptions = {}): StartBody {
  const { initiator, itemsTotal, labels, title, unordered, ref } = options;
  const body: StartBody = { kind, context };
  if (initiator !== undefined) body.initiator = typeof initiator === "string" ? { id: initiator } : initiator;
  if (itemsTotal !== undefined) body.items_total = itemsTotal;
  if (labels) body.labels = Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, message(value)]));
  if (title !== undefined) body.title = message(title);
  if (unordered) body.unordered = unordered;
  if (ref) return Object.assign(body, { ref });
  return Object.assign(body, { ref: { source: "runledger-client", id: randomUUID() }, occurred_at: now() });
}
