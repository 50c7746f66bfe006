// A run: see clients/behaviours.md.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Reasons, events as made } from "../src/index.js";
import { message } from "../src/events.js";
import { told } from "../src/reasons.js";
import { Proxy, events, get, kind, onlyRun, runs, startWorker, types, until, world } from "./harness.js";

test("a_run_is_told_in_full", async () => {
  const [ledger, name] = [world().make(), kind()];
  const options = {
    context: (tenant: string) => ({ tenant }),
    title: (tenant: string) => `Drift of ${tenant}`,
    labels: { language: "typescript" },
    initiator: "ann",
    itemsTotal: 4,
    heartbeat: 30,
  };
  const generate = ledger.run(name, options, async (run, tenant: string) => {
    assert.equal(await run.item("daily", { label: "Daily policy" }, () => 5), 5);
    await run.item("weekly", (item) => item.skip("unsupported"));
    run.failed("monthly", "permission_denied", "may not read it");
    run.progress("nearly there");
    run.succeeded(7);
    return tenant;
  });
  assert.equal(await generate("acme"), "acme");
  const run = await onlyRun(name, "partially_succeeded");
  assert.deepEqual([run.title, run.context], ["Drift of acme", { tenant: "acme" }]);
  assert.deepEqual([run.labels, run.initiator?.id], [{ language: "typescript" }, "ann"]);
  assert.deepEqual(run.items, { total: 4, succeeded: 2, failed: 1, skipped: 1, tallied: false });
  assert.deepEqual([run.heartbeat_seconds, run.worker], [30, ledger.worker]);
  const told = await events(run.run_id);
  assert.deepEqual(told.map(({ type }) => type), ["Queued", "Started", "ItemSucceeded", "ItemSkipped", "ItemFailed", "Progressed", "ItemSucceeded", "Completed"]);
  assert.equal(told[2]?.data["label"], "Daily policy");
});

test("an_exception_fails_the_run_and_is_raised_again", async () => {
  const [ledger, name] = [world().make(), kind()];
  const work = ledger.run(name, {}, () => {
    throw Object.assign(new Error("no such backup"), { code: "ENOENT" });
  });
  await assert.rejects(work(), /no such backup/);
  const run = await onlyRun(name, "failed");
  assert.deepEqual([run.ended_as, run.reason_code, run.message], ["failed", "not_found", "Error: no such backup"]);
});

test("an_exception_in_an_item_fails_the_item_alone", async () => {
  const [ledger, name] = [world().make(), kind()];
  await ledger.open(name, {}, {}, async (run) => {
    for (const item of ["a", "b", "c"]) {
      await run.item(item, () => {
        if (item === "b") throw Object.assign(new Error("not yours"), { code: "EACCES" });
      });
    }
  });
  const found = await onlyRun(name, "partially_succeeded");
  assert.deepEqual([found.items.succeeded, found.items.failed], [2, 1]);
  const { items } = await get<{ items: { item: string; reason_code: string }[] }>(`/runs/${found.run_id}/items?status=failed`);
  assert.deepEqual(items.map(({ item, reason_code }) => [item, reason_code]), [["b", "permission_denied"]]);
  const fails = (): never => {
    throw new TypeError("x");
  };
  await assert.rejects(ledger.open(kind(), {}, {}, (run) => run.item("a", { reraise: true }, fails)), TypeError);
});

test("cancellation_aborts_the_run", async () => {
  const [ledger, name, cancel] = [world().make(), kind(), new AbortController()];
  const working = ledger.open(name, {}, {}, async (run) => {
    run.succeeded("a");
    await run.item("b", () => sleep(60_000, undefined, { signal: cancel.signal }));
  });
  cancel.abort();
  await assert.rejects(working, { name: "AbortError" });
  const run = await onlyRun(name, "failed");
  assert.deepEqual([run.ended_as, run.reason_code], ["aborted", "cancelled"]);
});

test("a_signal_ends_the_run_in_time", async (context) => {
  const [between, { make, spool }, name, later] = [await Proxy.start(context), world(), kind(), kind()];
  const ends = async (worker: ChildProcess) => {
    const began = performance.now();
    worker.kill("SIGTERM");
    assert.deepEqual(await once(worker, "exit"), [null, "SIGTERM"]);
    assert.ok(performance.now() - began < 5_000);
  };
  await ends(await startWorker(between.url, spool, name));
  const run = await onlyRun(name, "failed");
  assert.deepEqual([run.ended_as, run.reason_code, run.items.succeeded], ["aborted", "cancelled", 3]);
  between.mode = "hang";
  await ends(await startWorker(between.url, spool, later));
  between.mode = "pass";
  assert.equal(await make({ url: between.url }).sendLeft(10), 0);
  assert.equal((await onlyRun(later, "failed")).ended_as, "aborted");
});

test("nothing_follows_the_end", async () => {
  const { make, troubles } = world();
  const [ledger, name] = [make(), kind()];
  await ledger.open(name, {}, { heartbeat: 1 }, async (run) => {
    run.fail("conflict", "somebody else has it");
    run.succeeded("late");
    run.progress("later");
    await sleep(400);
    run.tick();
  });
  assert.ok(await ledger.flush());
  assert.deepEqual(await types((await onlyRun(name, "failed")).run_id), ["Queued", "Started", "Failed"]);
  assert.deepEqual(troubles, [], "nothing came that the ledger had to refuse");
});

test("a_start_brings_its_first_events", async (context) => {
  const [between, { make, troubles }] = [await Proxy.start(context), world()];
  const whole = [made.started("w-1", 30), made.succeeded("a", undefined, "policies"), made.completed("all of it")];
  const ledger = make({ url: between.url });
  let name = kind();
  between.mode = "away";
  ledger.start(name, { n: 1 }, { title: "Told when it was over", events: whole });
  assert.ok(!(await ledger.flush(0.2)));
  between.mode = "lost";
  assert.ok(!(await ledger.flush(1)));
  between.mode = "pass";
  assert.ok(await ledger.flush());
  const run = await onlyRun(name, "succeeded");
  assert.deepEqual([run.title, run.heartbeat_seconds], ["Told when it was over", 30]);
  const told = await events(run.run_id);
  assert.deepEqual(told.slice(1).map(({ occurred_at }) => Date.parse(occurred_at)), whole.map(({ occurred_at }) => Date.parse(String(occurred_at))));
  assert.equal(told[2]?.data["namespace"], "policies");
  assert.deepEqual([between.appended(), troubles], [[], []], "with the start, and once");

  // All of it or nothing.
  name = kind();
  ledger.start(name, {}, { events: [made.started("w-1"), made.failedItem("a", "No Code", "x"), made.completed()] });
  assert.ok(await ledger.flush());
  assert.deepEqual([await runs(name), troubles.map(({ kind }) => kind)], [[], ["refused"]]);
  assert.equal((troubles[0]?.event as { start: { events: unknown[] } }).start.events.length, 3);

  // Another start has made the run: it keeps its own.
  await ledger.open(name, {}, {}, async (run) => {
    await until(() => run.id);
    ledger.start(name, {}, { events: [made.started("w-2"), made.completed()] });
    await until(() => troubles.length === 2);
    run.succeeded("a");
  });
  assert.ok(await ledger.flush());
  assert.deepEqual(await types((await onlyRun(name, "succeeded")).run_id), ["Queued", "Started", "ItemSucceeded", "Completed"]);
  assert.equal(troubles[1]?.kind, "refused");
  assert.match(String(troubles[1]?.detail), /^already_taken: run/);
});

test("signs_of_life_follow_the_work", async () => {
  const [ledger, busy, hangs] = [world().make(), kind(), kind()];
  const state = async (of: string) => (await runs(of))[0]?.liveness?.state;
  await ledger.open(hangs, {}, { heartbeat: 1 }, () =>
    ledger.open(busy, {}, { heartbeat: 1 }, async (run) => {
      await until(async () => (await state(hangs)) && (await state(busy)));
      for (const deadline = performance.now() + 1_500; performance.now() < deadline; await sleep(1)) run.tick();
      assert.deepEqual([await state(busy), await state(hangs)], ["alive", "stalled"]);
    }),
  );
  const told = await types((await onlyRun(busy, "succeeded")).run_id);
  const signs = told.filter((type) => type === "Progressed").length;
  assert.ok(signs >= 3 && signs <= 6, `some more than promised, and not one a tick: ${signs}`);
  assert.deepEqual(await types((await onlyRun(hangs, "succeeded")).run_id), ["Queued", "Started", "Completed"]);
});

test("reason_codes_are_mapped_and_extended", async () => {
  const [ledger, name] = [world().make(), kind()];
  class Quota extends Error {}
  class Sub extends Quota {}
  class License extends Error {
    reasonCode = "vendor.license_missing";
  }
  ledger.reasons.set(Quota, "quota_exceeded");
  const cases: [unknown, string][] = [
    [AbortSignal.abort().reason, "cancelled"],
    [Object.assign(new Error(), { code: "ETIMEDOUT" }), "timeout"],
    [new TypeError("fetch failed", { cause: { code: "ECONNREFUSED" } }), "unavailable"],
    [Object.assign(new Error(), { response: { status: 404 } }), "not_found"],
    [Object.assign(new Error(), { status: 503 }), "unavailable"],
    [new SyntaxError("x"), "data_corrupt"],
    [new Quota(), "quota_exceeded"],
    [new Sub(), "quota_exceeded"],
    [new License(), "vendor.license_missing"],
    ["a text", "internal"],
    [undefined, "internal"],
  ];
  for (const [error, code] of cases) assert.equal(ledger.reasons.of(error), code, String(error));
  assert.equal(new Reasons().of(new Quota()), "internal");
  cases.splice(-2, 1); // a text in its place is a reason code
  await ledger.open(name, {}, {}, (run) => cases.forEach(([error], index) => run.failed(index, error)));
  const told = (await events((await onlyRun(name, "failed")).run_id)).slice(2, -1);
  assert.deepEqual(told.map(({ data }) => data["reason_code"]), cases.map(([, code]) => code));
});

test("messages_are_cut", async () => {
  const [ledger, name] = [world().make(), kind()];
  await ledger.open(name, {}, {}, (run) => {
    run.failed("long", new RangeError(`two\nlines ${"\u{1f600}".repeat(5_000)}`));
    run.failed("empty", "unknown", "");
    run.failed("half \ud83d character", "unknown", "half \ud83d");
  });
  const found = (await events((await onlyRun(name, "failed")).run_id)).slice(2, -1);
  const of = new Map(found.map(({ data }) => [data["item"], String(data["message"])]));
  assert.equal(message(`a \n b${"x".repeat(5_000)}`), `a b${"x".repeat(296)}\u2026`, "before it is spooled");
  assert.equal([...(of.get("long") ?? "")].length, 300);
  assert.match(of.get("long") ?? "", /^RangeError: two lines \u{1f600}/u);
  assert.ok(of.get("empty"));
  assert.equal(of.get("half \\ud83d character"), "half \\ud83d");
  assert.equal(told(new Error()), "Error");
});
