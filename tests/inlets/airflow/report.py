"""Has Airflow run its DAGs once, on the Postgres of DATABASE_URL: its own scheduler, executor and API server. Where to report to is
in the environment, for its OpenLineage provider. Prints what Airflow itself says of its runs, as JSON: title, status, the title of
the run it is a part of, and why it failed."""

import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
DAGS = ("orders", "revenue")
PATIENCE = 300
# A task that skips itself has begun, and completes. What waits for one that failed never begins, and nothing is reported of it.
MEANS = {"success": "succeeded", "failed": "failed", "skipped": "succeeded", "upstream_failed": None}
# Airflow keeps no messages: those of the DAGs, and the one its scheduler has for a DAG run.
WHY = {
    "orders.load": "nobody answers", "revenue": "task_failure",
    "revenue.check": "6 does not add up, password=[redacted:password]",
}


def configure() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    os.environ |= {
        "AIRFLOW_HOME": str(pathlib.Path.cwd()),
        "AIRFLOW__CORE__DAGS_FOLDER": str(HERE / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__WORKERS": "1",
        # A busy machine makes tasks and events wait, and is no reason for them to fail.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        "AIRFLOW__OPENLINEAGE__EXECUTION_TIMEOUT": "60",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg2://", 1),
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return port


def airflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


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


def main() -> None:
    # Airflow writes its log there, too.
    result = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    port = configure()
    for command in (("db", "migrate"), ("dags", "reserialize")):
        subprocess.run(airflow(*command), check=True)
    services = [subprocess.Popen(airflow("api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"))]
    try:
        trigger()
        wait_for(f"http://127.0.0.1:{port}/execution/health")
        services.append(subprocess.Popen(airflow("scheduler")))
        deadline = time.monotonic() + PATIENCE
        while any(of is None and state not in MEANS for _, state, of in said()):
            if time.monotonic() > deadline or any(service.poll() is not None for service in services):
                sys.exit(f"the runs do not end: {said()}")
            time.sleep(1)
    finally:
        # First the scheduler: what still reports needs the API.
        for service in reversed(services):
            service.terminate()
            service.wait(60)
    told = [[title, MEANS[state], of] for title, state, of in said()]
    json.dump([[*one, WHY[one[0]] if one[1] == "failed" else None] for one in told if one[1]], result)
    result.flush()


main()
