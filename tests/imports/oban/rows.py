"""Has Oban work off jobs on the Postgres of DATABASE_URL: by its own schema, queues and workers. Prints how many jobs are in
which of its states, and when the first and the last was inserted, as JSON."""

import asyncio
import json
import os
import sys

from oban import Cancel, Oban, Snooze, worker
from oban.schema import install

EACH = {"done": 40, "refused": 9, "given up": 6, "stopped": 4, "tried later": 5, "put off": 3, "later": 7, "nobody": 8}


@worker(queue="default", max_attempts=1)
class Work:
    async def process(self, job):
        match job.args["what"]:
            case "refused":
                raise ValueError(f"number {job.args['number']} is refused")
            case "tried later":
                raise ConnectionError("nobody answers")
            case "given up":
                return Cancel("it is not wanted any more")
            case "put off":
                return Snooze(3600)


async def enqueue(oban, what, **more):
    return [await oban.enqueue(Work.new({"what": what, "number": number}, **more)) for number in range(EACH[what])]


async def states(pool):
    async with pool.connection() as database:
        rows = await database.execute("SELECT state::text, count(*) FROM oban_jobs GROUP BY 1 ORDER BY 1")
        return dict(await rows.fetchall())


async def main():
    pool = await Oban.create_pool(os.environ["DATABASE_URL"])
    await install(pool)
    async with Oban(pool=pool, queues={"default": 5}) as oban:
        for what in ("done", "refused", "given up", "put off"):
            await enqueue(oban, what)
        await enqueue(oban, "tried later", max_attempts=3)
        await enqueue(oban, "later", schedule_in=3600)
        await enqueue(oban, "nobody", queue="nobody works on it")
        stopped = await enqueue(oban, "stopped", queue="nobody works on it")
        await oban.cancel_many_jobs(stopped)
        finished = {"completed": EACH["done"], "discarded": EACH["refused"], "retryable": EACH["tried later"]}
        finished["cancelled"] = EACH["given up"] + EACH["stopped"]
        finished |= {"scheduled": EACH["put off"] + EACH["later"], "available": EACH["nobody"]}
        async with asyncio.timeout(60):
            while (found := await states(pool)) != finished:
                await asyncio.sleep(0.1)
    async with pool.connection() as database:
        rows = await database.execute(
            "SELECT floor(extract(epoch FROM it AT TIME ZONE 'UTC'))::bigint"
            " FROM (SELECT unnest(ARRAY[min(inserted_at), max(inserted_at)]) AS it FROM oban_jobs) AS ends"
        )
        queued = [time for (time,) in await rows.fetchall()]
    await pool.close()
    json.dump({"oban_jobs": {"states": found, "queued": queued}}, sys.stdout)


asyncio.run(main())
