// What a program sends by the package `cloudevents` from npm: CDEvents of a pipeline and its task, in both modes.
import { CloudEvent, emitterFor, httpTransport, Mode } from "cloudevents";

const emit = { binary: Mode.BINARY, structured: Mode.STRUCTURED };
for (const mode in emit) emit[mode] = emitterFor(httpTransport(process.argv[2]), { mode: emit[mode] });

async function send(mode, what, id, content) {
  const subject = { id, type: what.split(".")[0], content };
  const data = { context: { version: "0.4.1" }, subject };
  const event = new CloudEvent({ type: `dev.cdevents.${what}.0.2.0`, source: "/npm", subject: id, data });
  await emit[mode](event);
}

await send("binary", "pipelinerun.queued", "p-1", { pipelineName: "release by npm" });
await send("structured", "pipelinerun.started", "p-1", { pipelineName: "release by npm" });
await send("binary", "taskrun.started", "t-1", { taskName: "test by npm", pipelineRun: { id: "p-1" } });
await send("binary", "taskrun.finished", "t-1", { taskName: "test by npm", outcome: "failure", errors: "2 of 90 failed" });
await send("structured", "pipelinerun.finished", "p-1", { pipelineName: "release by npm", outcome: "success" });
