// Who works on a run: see clients/behaviours.md.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { AlreadyTaken, LedgerAway, type Ledger, type Ticket } from "../src/index.js";
import { Proxy, WORKER, events, folder, kind, onlyRun, run, types, until, world } from "./harness.js";

test("a_failed_dispatch_fails_the_run_and_is_raised_again", async (context) => {
  const [between, { make }] = [await Proxy.start(context), world()];
  for (const ledger of [make(), make({ url: between.url })]) {
    const name = kind();
    between.mode = "away";
    const full = () => Promise.reject(new Error("no room"));
    await assert.rejects(ledger.dispatch(name, { set: "finance" }, { initiator: "ann", send: full }), /no room/);
    between.mode = "pass";
    const found = await onlyRun(name, "failed");
    assert.deepEqual([found.ended_as, found.reason_code, found.message], ["failed", "dispatch_failed", "Error: no room"]);
    assert.deepEqual(await types(found.run_id), ["Queued", "Failed"]);
  }
});

test("active_work_is_not_dispatched_again", async () => {
  const [ledger, name, sent] = [world().make(), kind(), [] as Ticket[]];
  const dispatch = (ids: number[]) => ledger.dispatch(name, { ids }, { unordered: ["/ids"], send: (ticket) => sent.push(ticket) });
  const [first, second] = [await dispatch([1, 2]), await dispatch([2, 1])];
  assert.deepEqual([first.reused, second.reused, first.runId === second.runId, sent.length], [false, true, true, 1]);
  assert.deepEqual(JSON.parse(JSON.stringify(sent[0])), sent[0], "for any queue");
  await ledger.claim(sent[0] as Ticket, {}, () => undefined);
  assert.ok(await ledger.flush());
  assert.equal((await dispatch([1, 2])).reused, false);
});

test("two_workers_do_not_take_one_run", async (context) => {
  const [between, { make, troubles }, name, sent] = [await Proxy.start(context), world(), kind(), [] as Ticket[]];
  const [one, other] = [make(), make({ url: between.url })];
  await one.dispatch(name, { set: "a" }, { send: (ticket) => sent.push(ticket) });
  const took: (string | null)[] = [];
  const refused: AlreadyTaken[] = [];
  const work = (ledger: Ledger) =>
    ledger
      .claim(sent[0] as Ticket, { heartbeat: 30 }, async (run) => {
        took.push(run.id);
        await until(() => refused.length);
      })
      .catch((error: unknown) => {
        assert.ok(error instanceof AlreadyTaken, String(error));
        refused.push(error);
      });
  await Promise.all([work(one), work(other)]);
  assert.deepEqual([took.length, refused.length, refused[0]?.runId], [1, 1, took[0]]);
  assert.deepEqual(await types((await onlyRun(name, "succeeded")).run_id), ["Queued", "Started", "Completed"]);

  // It is asked for again where the answer is lost, and then it is this worker's.
  await one.dispatch(name, { set: "b" }, { send: (ticket) => sent.push(ticket) });
  between.mode = "lost";
  await other.claim(sent[1] as Ticket, { heartbeat: 30 }, async () => {
    await until(() => between.appended().length > 2);
    between.mode = "pass";
  });
  assert.ok(await other.flush());
  const again = sent[1]?.run_id ?? null;
  await until(async () => (await run(again)).status === "succeeded");
  assert.deepEqual(await types(again), ["Queued", "Started", "Completed"]);

  // `exclusive` asks the same of work that nobody dispatched.
  const free = { exclusive: true };
  await one.open(name, { set: "c" }, free, async () => {
    await assert.rejects(other.open(name, { set: "c" }, free, () => undefined), AlreadyTaken);
    // Without it the work goes on, and what it reports is set aside.
    await other.open(name, { set: "c" }, {}, (run) => run.succeeded("a"));
    assert.ok(await other.flush());
    assert.deepEqual(troubles.map(({ kind, count }) => [kind, count]), [["taken", 2]]);
  });
  between.mode = "away";
  await assert.rejects(other.open(name, { set: "c" }, free, () => undefined), LedgerAway);
});

test("a_silent_workers_run_is_taken_over", async () => {
  const [{ make, spool }, name, sent] = [world(), kind(), [] as Ticket[]];
  const dead = make();
  await dead.dispatch(name, {}, { send: (ticket) => sent.push(ticket) });
  let gone: string | null = null;
  void dead.claim(sent[0] as Ticket, { heartbeat: 1 }, (run) => {
    [gone] = [run.id];
    run.succeeded("a");
    return new Promise(() => undefined); // it hangs
  });
  await until(() => gone);
  assert.ok(await dead.flush());
  const take = (ledger: Ledger, work: () => void) =>
    ledger.claim(sent[0] as Ticket, { heartbeat: 30 }, (run) => {
      work();
      run.succeeded("b");
    });
  await assert.rejects(take(make(), () => undefined), AlreadyTaken);
  await until(async () => (await run(gone)).liveness?.state === "stalled");
  let took = 0;
  await Promise.allSettled([1, 2, 3].map((n) => take(make({ spool: join(spool, String(n)) }), () => (took += 1))));
  assert.equal(took, 1);
  const found = await onlyRun(name, "succeeded");
  assert.deepEqual([found.run_id, found.items.succeeded], [gone, 2]);
  const [, , , told] = await events(gone);
  assert.equal(told?.type, "Resumed");
  assert.ok(JSON.stringify(told?.data).includes(dead.worker));
});

test("parallel_workers_report_to_one_run", async () => {
  const [{ make }, name] = [world(), kind()];
  const ledger = make();
  await ledger.open(name, {}, {}, async (run) => {
    const id = await until(() => run.id);
    const child = async (n: number) => {
      const worker = spawn(process.execPath, [WORKER, "join", process.env["RUNLEDGER_URL"] as string, folder(), id, `child ${n}`], { stdio: "inherit" });
      assert.deepEqual(await once(worker, "exit"), [0, null]);
    };
    const task = async (n: number) => {
      for (let item = 0; item < 50; item++) await run.item(`task ${n} ${item}`, () => undefined);
    };
    await Promise.all([child(0), child(1), task(0), task(1)]);
  });
  assert.ok(await ledger.flush());
  const found = await onlyRun(name, "succeeded");
  assert.equal(found.items.succeeded, 200);
  const told = await events(found.run_id);
  assert.equal(told.at(-1)?.type, "Completed");
  for (const who of ["child 1", "task 0"]) {
    const items = told.map(({ data }) => String(data["item"] ?? "")).filter((item) => item.startsWith(who));
    assert.deepEqual(items, Array.from({ length: 50 }, (_, n) => `${who} ${n}`), "in order");
  }
});
