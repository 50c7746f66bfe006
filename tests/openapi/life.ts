// One run through its life with the client that openapi-typescript and openapi-fetch make of the description:
// `node life.js BASE_URL TENANT TOKEN`. What does not compile or is not answered as described ends it.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const [baseUrl = "", tenant = "", token = ""] = process.argv.slice(2);
const client = createClient<paths, "application/json" | "application/problem+json">({ baseUrl, headers: { Authorization: `Bearer ${token}` } });

/** The answer's body, or an end that says which problem there was instead. */
function good<Body>(answer: { data?: Body; error?: unknown; response: Response }): Body {
  assert.ok(answer.data !== undefined, `${answer.response.status} ${JSON.stringify(answer.error)}`);
  return answer.data;
}

const start: components["schemas"]["StartBody"] = {
  kind: "client.typescript",
  context: { sets: ["a", "b"], deep: { number: 1.5, nothing: null }, at: new Date().toISOString() },
  unordered: ["/sets"],
  labels: { language: "typescript" },
  initiator: { id: "demo-producer" },
  items_total: 2,
  title: "A run of the TypeScript client",
};
const started = await client.POST("/v1/tenants/{tenant}/runs", { params: { path: { tenant } }, body: start });
const { run_id: run, position } = good(started);
assert.equal(started.response.status, 201);
assert.match(started.response.headers.get("Location") ?? "", new RegExp(run));

const events: components["schemas"]["EventItem"][] = [
  { type: "Started", worker: "w-1", heartbeat_seconds: 30 },
  { type: "ItemSucceeded", item: "a", label: "The first" },
  { type: "ItemFailed", item: "b", reason_code: "permission_denied", message: "may not attach b" },
  { type: "Progressed", message: "nearly there", items_total: 2 },
  { type: "Completed", id: crypto.randomUUID(), occurred_at: new Date().toISOString() },
];
const append = await client.POST("/v1/tenants/{tenant}/runs/{run}/events", {
  params: { path: { tenant, run }, header: { "If-Match": '"0"' } },
  body: { events },
});
const appended = good(append);
assert.ok(appended.position > position);
assert.deepEqual(appended.events.map((event) => event.result), events.map(() => "created"));
assert.equal(append.response.headers.get("ETag"), '"5"');

const after = appended.position;
const one = good(await client.GET("/v1/tenants/{tenant}/runs/{run}", { params: { path: { tenant, run }, query: { after } } }));
assert.equal(one.status, "partially_succeeded");
assert.equal(one.ended_as, "completed");
assert.deepEqual(one.items, { total: 2, succeeded: 1, failed: 1, skipped: 0, tallied: false });
assert.deepEqual(one.context, start.context);

const past = good(await client.GET("/v1/tenants/{tenant}/runs/{run}", { params: { path: { tenant, run }, query: { revision: 0 } } }));
assert.equal(past.status, "queued");

const items = good(await client.GET("/v1/tenants/{tenant}/runs/{run}/items", { params: { path: { tenant, run } } }));
assert.deepEqual(items.items.map(({ item, status }) => [item, status]), [["b", "failed"], ["a", "succeeded"]]);

// In pages, by the cursor of the page before.
const told: string[] = [];
let cursor: string | null | undefined;
do {
  const query = cursor ? { limit: 2, cursor } : { limit: 2 };
  const page = good(await client.GET("/v1/tenants/{tenant}/runs/{run}/events", { params: { path: { tenant, run }, query } }));
  told.push(...page.events.map((event) => event.type));
  cursor = page.next_cursor;
} while (cursor);
assert.deepEqual(told, ["Queued", ...events.map((event) => event.type)]);

const listed = good(
  await client.GET("/v1/tenants/{tenant}/runs", {
    params: { path: { tenant }, query: { status: ["partially_succeeded", "failed"], label: ["language:typescript"], limit: 200 } },
  }),
);
assert.ok(listed.runs.some((entry) => entry.run_id === run));

const { notifications } = good(await client.GET("/v1/tenants/{tenant}/notifications", { params: { path: { tenant } } }));
const ended = notifications.find((told) => told.run_id === run && told.transition === "ended");
assert.ok(ended, "the initiator was not told");
const id = ended.notification_id;
assert.ok(good(await client.POST("/v1/tenants/{tenant}/notifications/{id}/read", { params: { path: { tenant, id } } })).read);

// A problem has a code, and says where it is.
const wrong = await client.POST("/v1/tenants/{tenant}/runs/{run}/events", {
  params: { path: { tenant, run } },
  body: { events: [{ type: "Progressed" }] },
});
assert.equal(wrong.response.status, 409);
assert.equal(wrong.error?.code, "illegal_transition");
assert.equal(wrong.response.headers.get("Content-Type"), "application/problem+json");

console.log(`TypeScript: run ${run} went through its life`);
