"""What a job reports by the official client of OpenLineage: where to is in the environment."""

from datetime import datetime, timedelta, timezone

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import error_message_run, parent_run
from openlineage.client.uuid import generate_new_uuid

PRODUCER = "https://example.com/nightly"
client = OpenLineageClient()
began = datetime.now(timezone.utc) - timedelta(seconds=60)


def emit(state, run, job, seconds, **facets):
    client.emit(
        RunEvent(
            eventType=state,
            eventTime=(began + timedelta(seconds=seconds)).isoformat(),
            run=Run(runId=run, facets=facets),
            job=Job(namespace="nightly", name=job),
            producer=PRODUCER,
            inputs=[InputDataset(namespace="pg", name="raw.orders")],
            outputs=[OutputDataset(namespace="pg", name="mart.orders")],
        )
    )


good, bad, late = (str(generate_new_uuid()) for _ in range(3))
parent = parent_run.ParentRunFacet(
    run=parent_run.Run(runId=good), job=parent_run.Job(namespace="nightly", name="all")
)
emit(RunState.START, good, "all", 0)
emit(RunState.START, bad, "load", 1, parent=parent)
emit(RunState.RUNNING, good, "all", 2)
error = error_message_run.ErrorMessageRunFacet(
    message="connection refused: password=hunter2", programmingLanguage="PYTHON"
)
emit(RunState.FAIL, bad, "load", 3, parent=parent, errorMessage=error)
# The end overtakes the start, and both are sent twice.
for _ in range(2):
    emit(RunState.COMPLETE, late, "late", 9)
for _ in range(2):
    emit(RunState.START, late, "late", 4)
emit(RunState.COMPLETE, good, "all", 10)
emit(RunState.ABORT, str(generate_new_uuid()), "stopped", 11)
client.close()
