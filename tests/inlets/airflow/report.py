"""Has Airflow run its DAGs once, on the Postgres of DATABASE_URL: its own scheduler, executor and API server. Where to report to is
in the environment, for its OpenLineage provider. Prints what Airflow itself says of its runs, as JSON: title, status, the title of
the run it is a part of, and why it failed."""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "imports" / "airflow"))

from running import apart, until_done

DAGS = ("orders", "revenue")
# A task that skips itself has begun, and completes. What waits for one that failed never begins, and nothing is reported of it.
MEANS = {"success": "succeeded", "failed": "failed", "skipped": "succeeded", "upstream_failed": None}
# Airflow keeps no messages: those of the DAGs, and the one its scheduler has for a DAG run.
WHY = {
    "orders.load": "nobody answers", "revenue": "task_failure",
    "revenue.check": "6 does not add up, password=[redacted:password]",
}


def trigger() -> None:
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.utils.types import DagRunTriggeredByType

    for dag in DAGS:
        trigger_dag(dag, run_id="run", triggered_by=DagRunTriggeredByType.CLI)


def said() -> list[list]:
    """Of each DAG run, of each task, and of each earlier try of one, which is a run of its own."""
    import sqlalchemy
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskinstancehistory import TaskInstanceHistory
    from airflow.utils.session import create_session

    with create_session() as session:
        all_of = lambda model: session.scalars(sqlalchemy.select(model)).all()
        runs = [[of.dag_id, str(of.state), None] for of in all_of(DagRun)]
        tries = [*all_of(TaskInstance), *all_of(TaskInstanceHistory)]
        return runs + [[f"{of.dag_id}.{of.task_id}", str(of.state), of.dag_id] for of in tries]


def left() -> list[list] | None:
    found = said()
    return found if any(of is None and state not in MEANS for _, state, of in found) else None


def main() -> None:
    result = apart()
    until_done(pathlib.Path.cwd(), HERE / "dags", trigger, left)
    told = [[title, MEANS[state], of] for title, state, of in said()]
    json.dump([[*one, WHY[one[0]] if one[1] == "failed" else None] for one in told if one[1]], result)
    result.flush()


main()
