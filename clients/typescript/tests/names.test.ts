// What ids are called: see clients/behaviours.md.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LedgerAway, Refused } from "../src/index.js";
import { Proxy, get, kind, onlyRun, until, world } from "./harness.js";

const namespace = () => kind().replaceAll("-", "_");

test("items_say_their_namespace", async () => {
  const [ledger, name, space] = [world().make(), kind(), namespace()];
  await ledger.directory(space, { "p-1": "Nightly backup", "p-2": "Weekly backup" });
  await ledger.open(name, {}, {}, async (run) => {
    await run.item("p-1", { namespace: space }, () => 5);
    await run.item("p-2", { namespace: space, label: "then called so" }, () => {
      throw Object.assign(new Error("not yours"), { code: "EACCES" });
    });
    await run.item("p-3", { namespace: space }, (item) => item.skip("unsupported"));
    await run.item("p-4", { namespace: space }, (item) => item.fail("conflict", "somebody else has it"));
    run.succeeded("p-5", undefined, space);
    run.failed("p-6", new TypeError(), undefined, undefined, space);
    run.skipped("p-7", undefined, undefined, space);
    run.succeeded("p-8");
  });
  const { run_id } = await onlyRun(name, "partially_succeeded");
  const { items } = await get<{ items: { item: string; namespace: string | null; name: string | null }[] }>(`/runs/${run_id}/items`);
  const shown = items.map(({ item, namespace, name }) => [item, namespace, name]).sort();
  const named = new Map([["p-1", "Nightly backup"], ["p-2", "Weekly backup"]]);
  const within = [1, 2, 3, 4, 5, 6, 7].map((n) => [`p-${n}`, space, named.get(`p-${n}`) ?? null]);
  assert.deepEqual(shown, [...within, ["p-8", null, null]]);
});

test("a_directory_is_sent_in_batches", async (context) => {
  const [between, { make }, space, readAt] = [await Proxy.start(context), world(), namespace(), new Date()];
  const ledger = make({ url: between.url });
  const names = new Map(Array.from({ length: 2_500 }, (_, n) => [`p-${n}`, `Policy ${n}`]));
  between.mode = "away";
  setTimeout(() => (between.mode = "pass"), 300);
  assert.equal(await ledger.directory(space, names, readAt), 2_500);
  const sent = between.asked.filter(({ path }) => path.endsWith("/directory")).map(({ body }) => (JSON.parse(body) as { entries: unknown[] }).entries.length);
  assert.deepEqual([sent[0], ...sent.slice(-2)], [1_000, 1_000, 500]);
  assert.ok(sent.length > 3, "asked again while it was away");
  // What is known, or known better, is nothing new.
  await until(async () => (await ledger.directory(space, names, readAt)) === 0);
  assert.equal(await ledger.directory(space, { "p-1": "Of yesterday" }, new Date(readAt.getTime() - 86_400_000)), 0);
  assert.equal(await ledger.directory(space, { "p-1": "Of today" }), 1);

  for (const wrong of [{ "p-1": "" }, { "": "no id" }]) {
    await assert.rejects(ledger.directory(space, wrong), (error) => error instanceof Refused && error.problem.code === "validation_failed");
  }
  between.mode = "away";
  await assert.rejects(make({ url: between.url }, { requestTimeout: 0.2 }).directory(space, names), LedgerAway);
});
