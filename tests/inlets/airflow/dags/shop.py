"""A DAG that succeeds, of which a task is tried again and one is skipped, and one of which a task fails. Nothing here knows of a
ledger."""

import datetime

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

USUAL = {"schedule": None, "start_date": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), "catchup": False}
USUAL |= {"is_paused_upon_creation": False, "default_args": {"retries": 0}}


@dag("orders", **USUAL)
def orders():
    @task
    def extract():
        return [1, 2, 3]

    @task(retries=1, retry_delay=datetime.timedelta(seconds=1))
    def load(numbers, ti=None):
        if ti.try_number == 1:
            raise ConnectionError("nobody answers")
        return sum(numbers)

    @task
    def archive():
        raise AirflowSkipException("there is nothing to do")

    load(extract())
    archive()


@dag("revenue", **USUAL)
def revenue():
    @task
    def extract():
        return [1, 2, 3]

    @task
    def check(numbers):
        raise ValueError(f"{sum(numbers)} does not add up, password=hunter2")

    @task
    def publish():
        return None

    check(extract()) >> publish()


orders()
revenue()
