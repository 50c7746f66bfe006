"""What a report costs the job, and how many go through one client. Figures, no verdicts.

    bench.py     with RUNLEDGER_URL, RUNLEDGER_TENANT and RUNLEDGER_TOKEN
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from runledger import Ledger, Limits, Run, delivery, events
from runledger.transport import Transport

CALLS, ITEMS, RUNS = 20_000, 100_000, 300


def per_call(call: Callable[[int], object]) -> str:
    """Microseconds: how long one call takes, seen from the job, while the sender works beside it, and how much of a
    processor: what is beyond that is waiting for one."""
    times, busy = [], time.thread_time()
    for n in range(CALLS):
        began = time.perf_counter()
        call(n)
        times.append((time.perf_counter() - began) * 1e6)
        if n % 100 == 0:
            time.sleep(0.001)  # a job has something else to do
    spent = (time.thread_time() - busy) / CALLS * 1e6
    times.sort()
    told = f"median {times[CALLS // 2]:5.1f}  mean {statistics.mean(times):5.1f}  99 % {times[CALLS * 99 // 100]:5.1f}"
    return f"{told}  of a processor {spent:5.1f}"


def in_block(run: Run) -> Callable[[int], None]:
    def one(n: int) -> None:
        with run.item(f"item-{n}"):
            pass

    return one


@contextmanager
def answering() -> Iterator[str]:
    """A server that takes everything and looks at nothing, in a process of its own: what is left is the client."""
    program = (
        "from http.server import *\n"
        "class Yes(BaseHTTPRequestHandler):\n"
        "    protocol_version = 'HTTP/1.1'\n"
        "    def do_POST(self):\n"
        "        self.rfile.read(int(self.headers['Content-Length']))\n"
        "        said = b'{\"run_id\": \"r\", \"status\": \"queued\", \"reused\": false}'\n"
        "        head = f'HTTP/1.1 200 OK\\r\\nContent-Length: {len(said)}\\r\\n\\r\\n'\n"
        "        self.wfile.write(head.encode() + said)\n"
        "server = ThreadingHTTPServer(('127.0.0.1', 0), Yes)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert server.stdout
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.kill()
        server.wait()


def main() -> None:
    folder = tempfile.mkdtemp()
    ledger = Ledger(spool=folder, limits=Limits(spool_bytes=1 << 30))
    name = f"bench.t{uuid4().hex[:8]}"
    print("one report, in microseconds")
    with ledger.open(name, {"n": 1}) as run:
        print("  run.succeeded(...)   ", per_call(lambda n: run.succeeded(f"item-{n}")))
    ledger.flush(60)
    with ledger.open(name, {"n": 2}) as run:
        print("  with run.item(...)   ", per_call(in_block(run)))
    ledger.flush(60)
    file = os.open(os.path.join(folder, "bare"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    line = events.encode(events.succeeded("item-1")) + b"\n"
    print("  a bare write         ", per_call(lambda _: os.write(file, line)))
    away = Ledger("http://127.0.0.1:9", spool=os.path.join(folder, "away"), limits=Limits(spool_bytes=1 << 30))
    with away.open(name, {"n": 3}) as run:
        print("  without a ledger     ", per_call(lambda n: run.succeeded(f"item-{n}")))

    began = time.perf_counter()
    with ledger.open(name, {"n": 4}) as run:
        for n in range(ITEMS):
            run.succeeded(f"item-{n}")
        called = time.perf_counter() - began
    ledger.flush(600)
    through = ITEMS / (time.perf_counter() - began)
    print(f"{ITEMS} items: told in {called:.2f} s, at the ledger {through:,.0f}/s")

    transport = Transport(os.environ["RUNLEDGER_URL"], os.environ["RUNLEDGER_TENANT"], os.environ["RUNLEDGER_TOKEN"])
    run_id = delivery.start(transport, events.start(name, {"n": 5}), 30).run_id
    made = [events.encode(events.succeeded(f"item-{n}")) for n in range(ITEMS)]
    batches = [made[n : n + 1_000] for n in range(0, ITEMS, 1_000)]
    began = time.perf_counter()
    delivery.post(transport, run_id, [events.encode(events.started("bench", None))], 30)
    for batch in batches:
        delivery.post(transport, run_id, batch, 30)
    bare = ITEMS / (time.perf_counter() - began)
    print(f"the same by bare requests {bare:,.0f}/s: the client reaches {through / bare:.2f} of it")

    with answering() as url:
        client = Ledger(url, spool=os.path.join(folder, "answering"), limits=Limits(spool_bytes=1 << 30))
        began, busy = time.perf_counter(), time.process_time()
        with client.open(name, {"n": 6}) as run:
            for n in range(ITEMS):
                run.succeeded(f"item-{n}")
        client.flush(600)
        spent = (time.process_time() - busy) / ITEMS
        print(f"with a server that only says yes {ITEMS / (time.perf_counter() - began):,.0f}/s")
        print(f"all of it takes {spent * 1e6:.1f} microseconds of a processor an item: {1 / spent:,.0f}/s of one")

    began = time.perf_counter()
    for n in range(RUNS):
        with ledger.open(name, {"run": n}) as run:
            run.succeeded("only")
    called = time.perf_counter() - began
    ledger.flush(600)
    print(f"{RUNS} runs of one item: told in {called:.2f} s, at the ledger {RUNS / (time.perf_counter() - began):,.0f}/s")
    away.close()


if __name__ == "__main__":
    main()
