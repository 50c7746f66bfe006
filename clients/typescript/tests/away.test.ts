// The ledger is away, or says no: see clients/behaviours.md.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Proxy, TOKEN, events, kind, onlyRun, run, runs, startWorker, types, until, world } from "./harness.js";

const files = (folder: string) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)).filter((path) => statSync(path).isFile());

test("the_work_goes_on_without_a_ledger", async (context) => {
  const [between, { make }, name] = [await Proxy.start(context), world(), kind()];
  between.mode = "hang";
  const ledger = make({ url: between.url }, { answerTimeout: 0.3, retryFirst: 5, retryMost: 5 });
  const [began, sent] = [performance.now(), [] as unknown[]];
  await ledger.dispatch(kind(), {}, { send: (ticket) => sent.push(ticket) });
  await ledger.dispatch(kind(), {}, { send: (ticket) => sent.push(ticket) });
  assert.ok(performance.now() - began < 600, "the second one does not wait: the ledger was away a moment ago");
  await ledger.open(name, { n: 1 }, {}, (run) => {
    for (let item = 0; item < 1_000; item++) run.succeeded(item);
  });
  assert.ok(performance.now() - began < 1_500);
  assert.deepEqual([sent.length, await runs(name)], [2, []]);
});

test("what_waited_is_told_in_order", async (context) => {
  const [between, { make }, name] = [await Proxy.start(context), world(), kind()];
  between.mode = "away";
  const ledger = make({ url: between.url });
  await ledger.open(name, {}, {}, (run) => {
    for (let item = 0; item < 2_500; item++) run.succeeded(item);
  });
  assert.equal(await ledger.flush(0.5), false);
  between.mode = "pass";
  assert.ok(await ledger.flush(20));
  const told = await events((await onlyRun(name, "succeeded")).run_id);
  assert.deepEqual(told.slice(2, -1).map(({ data }) => data["item"]), Array.from({ length: 2_500 }, (_, n) => String(n)));
  const times = told.slice(1).map(({ occurred_at }) => Date.parse(occurred_at));
  assert.deepEqual(times, [...times].sort((a, b) => a - b));
  assert.ok(told.slice(1).every(({ occurred_at, recorded_at }) => Date.parse(occurred_at) < Date.parse(recorded_at)));
});

test("a_killed_process_loses_no_report", async (context) => {
  const [between, { make, spool }, name] = [await Proxy.start(context), world(), kind()];
  between.mode = "away";
  const worker = await startWorker(between.url, spool, name, 500);
  worker.kill("SIGKILL");
  await once(worker, "exit");
  between.mode = "pass";
  await make({ url: between.url }).open(kind(), {}, {}, () => until(async () => (await runs(name))[0]?.items.succeeded === 500));
  assert.equal((await onlyRun(name, "running")).ended_as, null, "nobody knows how it ended");
});

test("a_lost_answer_changes_nothing", async (context) => {
  const [between, { make }, name] = [await Proxy.start(context), world(), kind()];
  between.mode = "lost";
  const ledger = make({ url: between.url }, { linger: 0.01 });
  await ledger.open(name, {}, {}, async (open) => {
    await until(() => between.asked.length >= 2);
    between.mode = "pass";
    assert.ok(await ledger.flush());
    between.mode = "lost";
    for (let item = 0; item < 50; item++) open.succeeded(item);
    await until(async () => (await run(open.id)).items.succeeded === 50);
    between.mode = "pass";
  });
  assert.ok(await ledger.flush());
  const told = await types((await onlyRun(name, "succeeded")).run_id);
  assert.deepEqual(told, ["Queued", "Started", ...Array.from({ length: 50 }, () => "ItemSucceeded"), "Completed"]);
});

test("retry_after_is_honoured", async (context) => {
  const [between, { make }] = [await Proxy.start(context), world()];
  between.mode = "busy";
  const ledger = make({ url: between.url });
  await ledger.open(kind(), {}, {}, async () => {
    await until(() => between.asked.length);
    between.mode = "pass";
    await until(() => between.asked.length > 1);
  });
  const [first, second] = between.asked.map(({ at }) => at) as [number, number];
  assert.ok(second - first >= 1_000 && second - first < 2_000, String(second - first));
  assert.ok(await ledger.flush());
});

test("a_full_spool_drops_signs_of_life_first", async (context) => {
  const [between, { make, troubles }, name] = [await Proxy.start(context), world(), kind()];
  between.mode = "away";
  const ledger = make({ url: between.url }, { spoolBytes: 20_000 });
  await ledger.open(name, {}, {}, async (run) => {
    for (let item = 0; item < 90; item++) run.succeeded(item);
    assert.equal(troubles.length, 0);
    run.progress("dropped");
    assert.deepEqual(troubles.map(({ kind }) => kind), ["dropped"]);
    run.succeeded("kept");
    for (let item = 0; item < 200; item++) run.succeeded(`more ${item}`);
    await until(() => troubles.reduce((sum, { count }) => sum + count, 0) > 50);
    run.complete("told all the same");
  });
  between.mode = "pass";
  assert.ok(await ledger.flush(10));
  const told = await events((await onlyRun(name, "succeeded")).run_id);
  assert.equal(told.at(-1)?.data["message"], "told all the same");
  const items = told.map(({ data }) => data["item"]);
  assert.ok(items.includes("kept") && !items.includes("more 199"));
  assert.ok(!told.some(({ type }) => type === "Progressed"));
});

test("what_is_refused_is_set_aside_and_told", async (context) => {
  const { make, troubles, spool } = world();
  const between = await Proxy.start(context);
  const [ledger, name] = [make({ url: between.url }), kind()];
  await ledger.open(name, {}, {}, (run) => {
    run.succeeded("good");
    run.failed("bad", "No Code", "of a form that nobody takes");
    run.failed("worse", "ALSO NONE", "of a form that nobody takes");
    run.succeeded("better");
  });
  assert.ok(await ledger.flush());
  const found = await onlyRun(name, "succeeded");
  assert.equal(found.items.succeeded, 2);
  assert.deepEqual(troubles.map(({ kind, event }) => [kind, (event as { item: string }).item]), [["refused", "bad"], ["refused", "worse"]]);
  const [aside] = files(spool).filter((path) => path.endsWith("refused.log")) as [string];
  const lines = readFileSync(aside, "utf8").trim().split("\n").map((line) => JSON.parse(line) as { run_id: string; event: { item: string }; problem: { code: string } });
  assert.deepEqual(lines.map(({ event }) => event.item), ["bad", "worse"]);
  assert.deepEqual([lines[0]?.run_id, lines[0]?.problem.code], [found.run_id, "validation_failed"]);

  await ledger.open("No Kind", {}, {}, (run) => run.succeeded("a"));
  assert.ok(await ledger.flush());
  assert.equal(troubles.length, 5, "the start, the item and the end");

  // A run that somebody else has ended: all that follows is refused at once.
  await ledger.open(kind(), {}, {}, async (open) => {
    await until(async () => open.id && (await run(open.id)).status === "running");
    make().join(String(open.id)).abort("cancelled", "by an operator");
    await until(async () => (await run(open.id)).status === "failed");
    for (let item = 0; item < 300; item++) open.succeeded(item);
  });
  assert.ok(await ledger.flush());
  assert.equal(troubles.length, 5 + 301);
  assert.ok(between.appended().length < 20, "and not one by one");
});

test("batches_are_bounded", async (context) => {
  const [between, { make }] = [await Proxy.start(context), world()];
  const ledger = make({ url: between.url }, { batchEvents: 100, batchBytes: 8_000, linger: 0.3 });
  await ledger.open(kind(), {}, {}, async (run) => {
    assert.ok(await ledger.flush());
    between.asked = [];
    for (let item = 0; item < 1_000; item++) run.succeeded(item, "x".repeat(item < 500 ? 1 : 250));
  });
  assert.ok(await ledger.flush());
  const batches = between.appended();
  assert.equal(batches.reduce((sum, { events }) => sum + events.length, 0), 1_001);
  assert.ok(batches.every(({ events, body }) => events.length <= 100 && body.length <= 8_050));
  assert.ok(batches.length < 80);

  // What comes within the time goes together.
  await ledger.open(kind(), {}, {}, async (run) => {
    assert.ok(await ledger.flush());
    between.asked = [];
    const began = performance.now();
    for (let item = 0; item < 10; item++) run.succeeded(item);
    await until(() => between.appended().length);
    assert.equal(between.appended()[0]?.events.length, 10);
    assert.ok((between.appended()[0]?.at ?? 0) - began >= 250);
  });
  assert.ok(await ledger.flush());
});

test("the_token_is_not_spooled", async (context) => {
  const [between, { make, spool }] = [await Proxy.start(context), world()];
  between.mode = "away";
  const ledger = make({ url: between.url });
  await ledger.open(kind(), { a: 1 }, {}, async (run) => {
    run.succeeded("a");
    await ledger.flush(0.3);
    const spooled = files(spool);
    assert.ok(spooled.some((path) => readFileSync(path, "utf8").includes('"a"')));
    assert.ok(!spooled.some((path) => readFileSync(path, "utf8").includes(TOKEN)));
    assert.ok(spooled.every((path) => (statSync(path).mode & 0o077) === 0), "nobody else reads it");
  });
});

test("an_unwritable_spool_breaks_no_work", async () => {
  const { make, spool, troubles } = world();
  writeFileSync(join(spool, "file"), "no folder");
  const ledger = make({ spool: join(spool, "file") });
  const sent: unknown[] = [];
  const done = await ledger.open(kind(), {}, { heartbeat: 1 }, async (run) => {
    run.succeeded("a");
    run.progress("b");
    await run.item("c", () => {
      throw new Error();
    });
    return "done";
  });
  await ledger.dispatch(kind(), {}, { send: (ticket) => sent.push(ticket) });
  assert.deepEqual([done, sent.length, troubles[0]?.kind], ["done", 1, "dropped"]);
});
