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

/** The same, of a run on which nobody works here. */
export interface WholeOptions extends StartOptions {
  /** What has happened to it already, in order, from `started` on, or why it never begins, `failed`: at most 1,000
   * events. They are recorded with the start, or nothing of it is. */
  events?: Event[];
}

/** The ledger keeps 300 characters of a text. More would only fill the spool. */
const TEXT_LIMIT = 300;

/** Any value as a text that UTF-8 can carry: half a character is spelled out. */
export function text(value: unknown): string {
  return String(value).replace(/\p{Surrogate}/gu, (half) => `\\u${half.charCodeAt(0).toString(16)}`);
}

/** One line of at most 300 characters. */
export function line(value: unknown): string {
  const made = text(String(value).slice(0, TEXT_LIMIT * 8)).split(/\s+/u).filter(Boolean).join(" ");
  const characters = [...made];
  return characters.length > TEXT_LIMIT ? `${characters.slice(0, TEXT_LIMIT - 1).join("")}\u2026` : made;
}

/** As `line`, and never empty. */
export const message = (value: unknown) => line(value) || "no message";

const now = () => new Date().toISOString();
const moment = () => ({ id: randomUUID(), occurred_at: now() });
const explained = (why: unknown) => (why === undefined ? {} : { message: message(why) });

export function started(worker: string, heartbeat?: number): Event & { type: "Started" } {
  const seconds = heartbeat === undefined ? {} : { heartbeat_seconds: Math.min(Math.max(Math.round(heartbeat), 1), 86_400) };
  return { type: "Started", ...moment(), worker: message(worker), ...seconds };
}

function named(item: unknown, label: unknown, namespace: string | undefined) {
  const labelled = label === undefined ? {} : { label: message(label) };
  return { ...moment(), item: text(item), ...labelled, ...(namespace === undefined ? {} : { namespace }) };
}

/** `namespace`: in which one of the directory the item is an id. */
export function succeeded(item: unknown, label?: unknown, namespace?: string): Event {
  return { type: "ItemSucceeded", ...named(item, label, namespace) };
}

export function failedItem(item: unknown, reason: string, why: unknown, label?: unknown, namespace?: string): Event {
  return { type: "ItemFailed", ...named(item, label, namespace), reason_code: reason, message: message(why) };
}

export function skipped(item: unknown, reason?: string, label?: unknown, namespace?: string): Event {
  return { type: "ItemSkipped", ...named(item, label, namespace), ...(reason === undefined ? {} : { reason_code: reason }) };
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
export function start(kind: string, context: Record<string, unknown>, options: WholeOptions = {}): StartBody {
  const { initiator, itemsTotal, labels, title, unordered, ref, events } = options;
  const body: StartBody = { kind, context };
  if (initiator !== undefined) body.initiator = typeof initiator === "string" ? { id: initiator } : initiator;
  if (itemsTotal !== undefined) body.items_total = itemsTotal;
  if (labels) body.labels = Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, message(value)]));
  if (title !== undefined) body.title = message(title);
  if (unordered) body.unordered = unordered;
  if (events) body.events = events;
  if (ref) return Object.assign(body, { ref });
  return Object.assign(body, { ref: { source: "runledger-client", id: randomUUID() }, occurred_at: now() });
}
