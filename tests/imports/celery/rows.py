"""Has Celery itself write results of tasks to the Postgres of DATABASE_URL, by both of its backends: Django's and that of
SQLAlchemy. Prints, for each table, how many of its rows have which status, as JSON."""

import json
import os
from collections import Counter

import django
from django.conf import settings
from django.core.management import call_command

URL = os.environ["DATABASE_URL"]
EACH = {"add": 30, "refuse": 12, "ask_again": 5}


def configure() -> None:
    from psycopg.conninfo import conninfo_to_dict

    of = conninfo_to_dict(URL)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    database = {name: of[key] for name, key in names.items() if key in of}
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", **database}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django_celery_results"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
        CELERY_RESULT_EXTENDED=True,
        SECRET_KEY="of this test alone",
    )
    django.setup()
    call_command("migrate", verbosity=0)


def work(backend: str, **more: object) -> None:
    """Tasks that succeed, fail, and end without either."""
    from celery import Celery
    from celery.exceptions import Ignore

    app = Celery("imported", backend=backend, broker="memory://", set_as_current=True)
    app.conf.update(task_always_eager=True, task_store_eager_result=True, result_extended=True, **more)

    @app.task(name="imported.add")
    def add(a: int, b: int) -> int:
        return a + b

    @app.task(name="imported.refuse")
    def refuse(number: int) -> None:
        raise ValueError(f"number {number} is refused")

    for number in range(EACH["add"]):
        add.delay(number, 1)
    for number in range(EACH["refuse"]):
        refuse.delay(number)
    # What a worker and a scheduler write beside: a task that runs, one that was revoked, and one that waits for another try.
    for number in range(EACH["ask_again"]):
        app.backend.store_result(f"{backend[:2]}-started-{number}", {"hostname": "w-1"}, "STARTED")
        app.backend.mark_as_revoked(f"{backend[:2]}-revoked-{number}", "it was revoked", store_result=True)
        app.backend.mark_as_retry(f"{backend[:2]}-retry-{number}", Ignore("not yet"))


def states(table: str) -> dict[str, int]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT status FROM {table}")
        return dict(sorted(Counter(status for (status,) in cursor.fetchall()).items()))


if __name__ == "__main__":
    configure()
    work("django-db")
    work("db+" + URL.replace("postgresql://", "postgres://").replace("postgres://", "postgresql+psycopg://", 1))
    print(json.dumps({table: {"states": states(table)} for table in ("django_celery_results_taskresult", "celery_taskmeta")}))
