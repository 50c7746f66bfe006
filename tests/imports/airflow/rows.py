"""Has Airflow run DAGs on the Postgres of DATABASE_URL: its own migrations, scheduler, executor and API server. Prints how many
runs and task instances are in which of its states, and when the first and the last run was queued, as JSON."""

import json
import os
import pathlib

from running import apart, run, until_done

DAGS = pathlib.Path(__file__).resolve().parent / "dags"
RUNS = {"etl": 6, "broken": 3, "choosy": 2, "patient": 2, "paused": 2}
DAYS, DAYS_BETWEEN = ("2024-01-01", "2024-01-05"), 5


def states(model) -> dict[str, int]:
    import sqlalchemy
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.execute(sqlalchemy.select(model.state, sqlalchemy.func.count()).group_by(model.state))
        return {str(state or "none"): count for state, count in rows}


def left() -> dict[str, int] | None:
    from airflow.models.dagrun import DagRun

    found, ended = states(DagRun), sum(RUNS.values()) - RUNS["paused"] + DAYS_BETWEEN
    # The scheduler makes one of yesterday beside these.
    done = "running" not in found and found.get("queued", 0) <= RUNS["paused"]
    return None if done and found.get("success", 0) + found.get("failed", 0) >= ended else found


def trigger() -> None:
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.utils.types import DagRunTriggeredByType

    for dag, count in RUNS.items():
        for number in range(count):
            trigger_dag(dag, run_id=f"run-{number}", triggered_by=DagRunTriggeredByType.CLI)
    run("backfill", "create", "--dag-id", "daily", "--from-date", DAYS[0], "--to-date", DAYS[1])


def queued() -> list[int]:
    """Of runs that have ended. A run that was scheduled by a backfill may say that it began before it was queued."""
    import sqlalchemy
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        runs = session.scalars(sqlalchemy.select(DagRun).where(DagRun.end_date.is_not(None))).all()
        times = [min(time for time in (of.queued_at, of.start_date) if time) for of in runs]
    return [int(min(times).timestamp()), int(max(times).timestamp())]


def main() -> None:
    result = apart()
    until_done(pathlib.Path(os.environ["WORLD"]), DAGS, trigger, left)
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance

    json.dump({"dag_run": {"states": states(DagRun), "queued": queued()}, "task_instance": {"states": states(TaskInstance)}}, result)
    result.flush()


main()
