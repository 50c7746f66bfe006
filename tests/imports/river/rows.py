"""Has River's client for Python insert jobs into the Postgres of DATABASE_URL: into the table as that package describes it.
Prints how many jobs are in which of River's states, and when the first and the last was created, as JSON.

Nothing works on them: River's workers are a module for Go. So no job of this table has ended."""

import dataclasses
import datetime
import importlib.resources
import json
import os
import sys

import riverqueue
import sqlalchemy
from riverqueue.driver import riversqlalchemy

EACH = {"sort": 25, "later": 6}


@dataclasses.dataclass
class Work:
    number: int
    kind: str

    def to_json(self) -> str:
        return json.dumps({"number": self.number})


def main() -> None:
    url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg://", 1)
    engine = sqlalchemy.create_engine(url)
    queries = importlib.resources.files(riversqlalchemy) / "dbsqlc" / "river_job.sql"
    table = queries.read_text().split("-- name:")[0]
    with engine.begin() as database:
        database.exec_driver_sql(table)
    client = riverqueue.Client(riversqlalchemy.Driver(engine))
    for number in range(EACH["sort"]):
        client.insert(Work(number, "sort"))
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    for number in range(EACH["later"]):
        client.insert(Work(number, "later"), insert_opts=riverqueue.InsertOpts(scheduled_at=later))
    with engine.begin() as database:
        states = database.exec_driver_sql("SELECT state::text, count(*) FROM river_job GROUP BY 1 ORDER BY 1")
        states = {state: count for state, count in states}
        times = database.exec_driver_sql("SELECT min(created_at), max(created_at) FROM river_job").one()
    json.dump({"river_job": {"states": states, "queued": [int(time.timestamp()) for time in times]}}, sys.stdout)


main()
