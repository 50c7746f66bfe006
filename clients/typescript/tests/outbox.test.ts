// The outbox, in Postgres and in SQLite: see clients/behaviours.md.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import sqlite3 from "node-sqlite3-wasm";
import pg from "pg";
import { LedgerAway, POSTGRES_SCHEMA, SQLITE_SCHEMA, events, sqlite, type Client, type Ticket } from "../src/index.js";
import { Proxy, events as told, kind, onlyRun, runs, types, until, world } from "./harness.js";

/** A client of a database of the caller's own, with the outbox's table and one of the caller's. */
async function postgres(context: TestContext): Promise<Client> {
  const url = new URL(process.env["DATABASE_URL"] as string);
  const connect = async (name: string): Promise<pg.Client> => {
    const client = new pg.Client({
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      host: url.searchParams.get("host") ?? url.hostname,
      port: Number(url.searchParams.get("port") ?? (url.port || 5432)),
      database: name,
    });
    await client.connect();
    context.after(() => client.end());
    return client;
  };
  const name = `app_${randomUUID().slice(0, 8)}`;
  await (await connect(url.pathname.slice(1))).query(`CREATE DATABASE ${name}`);
  const client = await connect(name);
  await client.query(POSTGRES_SCHEMA);
  await client.query("CREATE TABLE jobs (id INTEGER)");
  return client;
}

/** The same in a file. This SQLite takes values as an array, where others take them one by one. */
async function file(context: TestContext): Promise<Client> {
  const folder = mkdtempSync(join(tmpdir(), "outbox-"));
  const database = new sqlite3.Database(join(folder, "app.db"));
  context.after(() => {
    database.close();
    rmSync(folder, { recursive: true });
  });
  database.exec(SQLITE_SCHEMA);
  database.exec("CREATE TABLE jobs (id INTEGER)");
  return sqlite({
    prepare: (sql) => ({ all: (...values) => database.all(sql, values), run: (...values) => database.run(sql, values) }),
  });
}

const inBoth = (behaves: (context: TestContext, client: Client) => Promise<void>) => async (context: TestContext) => {
  for (const make of [postgres, file]) await context.test(make.name, async (inner) => behaves(inner, await make(inner)));
};

test("the_outbox_commits_with_the_work", inBoth(async (_context, client) => {
  const [ledger, kept, undone] = [world().make(), kind(), kind()];
  let ticket: Ticket | undefined;
  for (const [name, end] of [[undone, "ROLLBACK"], [kept, "COMMIT"]] as const) {
    await client.query("BEGIN");
    ticket = await ledger.outbox(client).start(name, { set: "finance" }, { initiator: "ann", itemsTotal: 1 });
    await client.query("INSERT INTO jobs VALUES (1)");
    await client.query(end);
  }
  const stop = new AbortController();
  const relaying = ledger.relay(client).run(stop.signal, 0.05);
  const run = await onlyRun(kept, "queued");
  assert.equal(run.initiator?.id, "ann");
  assert.deepEqual(await runs(undone), []);
  assert.equal((await client.query("SELECT * FROM jobs")).rows.length, 1);
  stop.abort();
  await relaying;

  await client.query("BEGIN");
  await ledger.outbox(client).report(ticket as Ticket, events.succeeded("daily"));
  await client.query("ROLLBACK");
  await client.query("BEGIN");
  for (const event of [events.started("w-1"), events.succeeded("weekly"), events.completed()]) await ledger.outbox(client).report(ticket as Ticket, event);
  await client.query("COMMIT");
  while ((await ledger.relay(client).step()) > 0);
  assert.deepEqual(await types((await onlyRun(kept, "succeeded")).run_id), ["Queued", "Started", "ItemSucceeded", "Completed"]);
}));

test("the_outbox_carries_first_events", inBoth(async (_context, client) => {
  const [{ make, troubles }, name, active] = [world(), kind(), kind()];
  const ledger = make();
  const [box, relay] = [ledger.outbox(client), ledger.relay(client)];
  const whole = [events.started("w-1"), events.succeeded("p-17", undefined, "policies"), events.completed()];
  for (const [title, end] of [["undone", "ROLLBACK"], ["kept", "COMMIT"]] as const) {
    await client.query("BEGIN");
    await box.start(name, {}, { title, events: whole });
    await client.query(end);
  }
  while ((await relay.step()) > 0);
  const run = await onlyRun(name, "succeeded");
  assert.deepEqual([run.title, await types(run.run_id)], ["kept", ["Queued", "Started", "ItemSucceeded", "Completed"]]);
  assert.equal((await told(run.run_id))[2]?.data["namespace"], "policies");
  assert.equal(troubles.length, 0);

  // Another start has made the run: what is reported of this one is not that one's.
  await ledger.open(active, {}, {}, async (run) => {
    await until(() => run.id);
    const ticket = await box.start(active, {}, { events: [events.started("w-2")] });
    await box.report(ticket, events.completed());
    assert.deepEqual([await relay.step(), await relay.step()], [2, 0]);
  });
  assert.ok(await ledger.flush());
  assert.deepEqual(await types((await onlyRun(active, "succeeded")).run_id), ["Queued", "Started", "Completed"]);
  assert.deepEqual(troubles.map(({ detail }) => detail.split(":")[0]), ["already_taken", "already_taken"]);
}));

class Died extends Error {}

/** A client that is lost before or after its nth query. */
const dying = (client: Client, calls: number): Client => ({
  async query(sql, values) {
    if (calls-- <= 0) throw new Died();
    const answer = await client.query(sql, values);
    if (calls-- <= 0) throw new Died();
    return answer;
  },
});

test("the_outbox_sends_once", inBoth(async (context, client) => {
  const [between, { make }, name] = [await Proxy.start(context), world(), kind()];
  const ledger = make({ url: between.url });
  const tickets = [await ledger.outbox(client).start(name, { n: 0 }), await ledger.outbox(client).start(name, { n: 1 })];
  for (const ticket of tickets) {
    for (const event of [events.started("w-1"), events.succeeded("daily")]) await ledger.outbox(client).report(ticket, event);
  }
  // The relay dies at every place that there is, and sends again what the ledger may have.
  let calls = 0;
  for (let done = false; !done; calls++) {
    assert.ok(calls < 60);
    between.mode = calls % 7 === 0 ? "lost" : "pass";
    try {
      await ledger.relay(dying(client, calls)).step();
      done = true;
    } catch (error) {
      assert.ok(error instanceof Died || error instanceof LedgerAway, String(error));
    }
  }
  assert.ok(calls > 8, String(calls));
  for (const ticket of tickets) await ledger.outbox(client).report(ticket, events.completed());
  between.mode = "pass";
  assert.equal(await ledger.relay(client).step(), 2);
  assert.equal(await ledger.relay(client).step(), 0);
  const found = await runs(name);
  assert.equal(found.length, 2);
  for (const { run_id } of found) assert.deepEqual(await types(run_id), ["Queued", "Started", "ItemSucceeded", "Completed"]);
}));
