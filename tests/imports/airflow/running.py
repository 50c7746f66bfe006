"""Airflow on the Postgres of DATABASE_URL: its own migrations, API server, scheduler and executor. For those that have it run DAGs:
`rows.py` here, and `tests/inlets/airflow/report.py`."""

import os
import pathlib
import secrets
import socket
import subprocess
import sys
import time
import typing
import urllib.request

PATIENCE = 300


def apart() -> typing.TextIO:
    """What stdout was, for a result: Airflow writes its log there, which goes to stderr from now on."""
    result = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return result


def until_done(home: pathlib.Path, dags: pathlib.Path, trigger: typing.Callable, left: typing.Callable) -> None:
    """Has Airflow run what `trigger` triggers, until `left` gives none that is not done yet. Both are called when Airflow
    can be imported."""
    port = configure(home, dags)
    run("db", "migrate")
    run("dags", "reserialize")
    services = [subprocess.Popen(airflow("api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"))]
    try:
        trigger()
        wait_for(f"http://127.0.0.1:{port}/execution/health")
        services.append(subprocess.Popen(airflow("scheduler")))
        deadline = time.monotonic() + PATIENCE
        while (not_done := left()) is not None:
            if time.monotonic() > deadline or any(service.poll() is not None for service in services):
                sys.exit(f"the runs do not end: {not_done}")
            time.sleep(1)
    finally:
        # First the scheduler: what still works or reports needs the API.
        for service in reversed(services):
            service.terminate()
            service.wait(60)


def configure(home: pathlib.Path, dags: pathlib.Path) -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    os.environ |= {
        "AIRFLOW_HOME": str(home.resolve()),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags.resolve()),
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
