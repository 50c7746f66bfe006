"""DAGs whose tasks succeed, fail, are skipped, are tried again, come several times, and never begin."""

import datetime

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowSkipException

USUAL = {"schedule": None, "start_date": datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc), "catchup": False}
USUAL |= {"is_paused_upon_creation": False, "default_args": {"retries": 0}}


@dag("etl", **USUAL)
def etl():
    @task
    def extract():
        return [1, 2, 3]

    @task
    def load(number):
        return number

    load.expand(number=extract())


@dag("broken", **USUAL)
def broken():
    @task
    def check():
        raise ValueError("it does not add up")

    @task
    def publish():
        return None

    check() >> publish()


@dag("choosy", **USUAL)
def choosy():
    @task
    def leave():
        raise AirflowSkipException("there is nothing to do")

    @task
    def go_on():
        return None

    leave()
    go_on()


@dag("patient", **USUAL)
def patient():
    @task(retries=1, retry_delay=datetime.timedelta(seconds=1))
    def try_again(ti=None):
        if ti.try_number == 1:
            raise ConnectionError("nobody answers")

    try_again()


@dag("daily", **{**USUAL, "schedule": "@daily"})
def daily():
    @task
    def sweep():
        return None

    sweep()


@dag("paused", **{**USUAL, "is_paused_upon_creation": True})
def paused():
    @task
    def never():
        return None

    never()


for each in (etl, broken, choosy, patient, daily, paused):
    each()
