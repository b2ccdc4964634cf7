"""What every contender works on, and how its work is timed. Standard library alone: it runs in every environment."""

import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Fields = dict[str, Any]


def fields(number: int) -> Fields:
    """An alert with ten metadata entries, one of them a secret by its name. Half of its values are its own."""
    return {
        "title": f"Payment provider timeout {number}",
        "message": f"The payment provider did not respond to order {number} within {number % 30} seconds.",
        "severity": "critical",
        "source": "billing-service",
        "tags": ("payments", "provider"),
        "metadata": {
            "invoice_id": f"INV-{number}",
            "provider": "stripe",
            "host": f"web-{number % 50}.example.com",
            "region": "eu-west-1",
            "amount": number / 100,
            "attempt": number % 3,
            "customer": f"customer {number}",
            "url": f"https://example.com/orders/{number}",
            "error": f"No answer within {number % 30} seconds",
            "api_key": "will-be-redacted",
        },
        "request_id": f"req-{number:08x}",
    }


def large_fields(number: int) -> Fields:
    """An alert whose metadata has 1,001 nodes: a list of 100 orders of nine entries."""
    orders = [
        {
            "id": f"order-{number}-{index}",
            "customer": f"Customer {index}",
            "amount": index * 1.25,
            "currency": "EUR",
            "paid": index % 2 == 0,
            "attempts": index,
            "note": f"charged by provider {index % 7}, see invoice {number + index}",
            "host": f"web-{index}.example.com",
            "api_token": f"t0ken{index:027d}",
        }
        for index in range(100)
    ]
    return fields(number) | {"metadata": {"orders": orders}}


def text(alert: Fields) -> str:
    """The alert's message and metadata as text, for contenders whose messages are text."""
    return "\n".join([alert["message"], "", *(f"{key}: {value}" for key, value in alert["metadata"].items())])


def clean_texts() -> dict[str, str]:
    """100,000 characters of each kind, with words that look like secrets' names and nothing to mask."""
    log = (
        "2026-01-02T10:11:12.123Z INFO  worker-3 order 1042 processed in 35 ms status=200 path=/api/v1/orders "
        'host=web-7.example.com user_agent="Mozilla/5.0 (X11; Linux x86_64)"\n'
    )
    traceback = (
        '  File "/usr/lib/python3/site-packages/httpx/_models.py", line 829, in raise_for_status\n'
        "    raise HTTPStatusError(message, request=request, response=self)\n"
    )
    prose = (
        "The payment provider did not answer within ten seconds; retrying the connection soon. Key metrics are "
        "passing, the author was told and access is refreshed for the session. "
    )
    orders = json.dumps(
        [{"id": f"order-{n}", "token_count": 3, "name": "checkout", "ts": 1700000000 + n, "page": 2} for n in range(99)]
    )
    kinds = {"log": log, "traceback": traceback, "prose": prose, "JSON": orders}
    kinds["mixed"] = log * 3 + traceback * 3 + prose * 2 + orders[:600] + "\n"
    return {kind: (part * (100_000 // len(part) + 1))[:100_000] for kind, part in kinds.items()}


def megabytes_per_second(scan: Callable[[str], object]) -> dict[str, float]:
    """How fast each kind of clean text is scanned: the median of five."""
    return {kind: len(text) / 1e6 / per_call(lambda _: scan(text), 5) for kind, text in clean_texts().items()}  # noqa: B023


def per_second(send: Callable[[Fields], bool], seconds: float) -> float:
    """How many alerts a second, one after another, each built, sent and answered; the first one is not timed."""
    check(send(fields(0)))
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        done += 1
        check(send(fields(done)))
    return done / elapsed


def per_call(call: Callable[[Fields], object], count: int, make: Callable[[int], Fields] = fields) -> float:
    """Seconds for one call: the median over so many alerts. The first call is not timed."""
    call(make(0))
    taken = []
    for number in range(1, count + 1):
        alert = make(number)
        start = time.perf_counter()
        call(alert)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a Redis server that is started for it, and keeps nothing on disk."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                while not _listens(port):
                    check(server.poll() is None, "redis-server has ended")
                    time.sleep(0.02)
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                server.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def check(right: bool, what: str = "not delivered") -> None:
    """A contender that does not do the work has no figure to show."""
    if not right:
        sys.exit(what)


def main(works: Mapping[str, Any]) -> None:
    """Do the work that the command line names, and print what it gives as a line of JSON."""
    print(json.dumps(works[sys.argv[1]](**json.loads(sys.argv[2]))), flush=True)
