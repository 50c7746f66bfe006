"""Has Airflow run DAGs on the Postgres of DATABASE_URL: its own migrations, scheduler, executor and API server. Prints how many
runs and task instances are in which of its states, and when the first and the last run was queued, as JSON."""

import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

HOME = pathlib.Path(os.environ["WORLD"]).resolve()
RUNS = {"etl": 6, "broken": 3, "choosy": 2, "patient": 2, "paused": 2}
DAYS, DAYS_BETWEEN = ("2024-01-01", "2024-01-05"), 5
PATIENCE = 300


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def configure() -> int:
    port = free_port()
    os.environ |= {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(pathlib.Path(__file__).resolve().parent / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__WORKERS": "1",
        # A busy machine makes tasks wait, and is no reason for them to fail.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg2://", 1),
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return port


def airflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def run(*arguments: str) -> None:
    subprocess.run(airflow(*arguments), check=True)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def states(model) -> dict[str, int]:
    import sqlalchemy
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.execute(sqlalchemy.select(model.state, sqlalchemy.func.count()).group_by(model.state))
        return {str(state or "none"): count for state, count in rows}


def not_done(runs: dict[str, int]) -> bool:
    return "running" in runs or runs.get("queued", 0) > RUNS["paused"]


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
    # Airflow writes its log there, too.
    result = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    port = configure()
    run("db", "migrate")
    run("dags", "reserialize")
    services = [subprocess.Popen(airflow("api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"))]
    try:
        trigger()
        wait_for(f"http://127.0.0.1:{port}/execution/health")
        services.append(subprocess.Popen(airflow("scheduler")))
        from airflow.models.dagrun import DagRun
        from airflow.models.taskinstance import TaskInstance

        deadline, ended = time.monotonic() + PATIENCE, sum(RUNS.values()) - RUNS["paused"] + DAYS_BETWEEN
        # The scheduler makes one of yesterday beside these.
        while not_done(found := states(DagRun)) or found.get("success", 0) + found.get("failed", 0) < ended:
            if time.monotonic() > deadline or any(service.poll() is not None for service in services):
                sys.exit(f"the runs do not end: {found}")
            time.sleep(1)
    finally:
        for service in services:
            service.terminate()
        for service in services:
            service.wait(60)
    json.dump({"dag_run": {"states": states(DagRun), "queued": queued()}, "task_instance": {"states": states(TaskInstance)}}, result)
    result.flush()


main()
