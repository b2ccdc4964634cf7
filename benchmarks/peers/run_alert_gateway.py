"""Posts to the gateway, which commits each alert to disk before it answers, and to the tutorial's application."""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import work

HERE = Path(__file__).parent
CONFIGURATION = """
[targets.oncall]
type = "noop"

[queue]
type = "outbox"
path = "alerts.db"
"""
WARM = 500  # posts that are not timed
SECONDS = 30  # that a server has to start


@contextmanager
def serving(server: str) -> Iterator[tuple[int, int]]:
    """The port and the process of a server that runs in a folder of its own."""
    gateway = [str(Path(sys.executable).parent / "alertctl"), "serve", "--port", "0"]
    commands = {"alert-gateway": gateway, "tutorial": [sys.executable, str(HERE / "tutorial.py")]}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        Path(folder, "alerts.toml").write_text(CONFIGURATION)
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(
            commands[server], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            try:
                assert process.stdout is not None  # noqa: S101 - a pipe was asked for
                found = re.search(r"(\d+)/?$", process.stdout.readline().strip())
                work.check(found is not None, f"{server} did not start")
                assert found is not None  # noqa: S101 - just checked
                yield int(found.group(1)), process.pid
            finally:
                process.terminate()


def request(number: int) -> bytes:
    body = json.dumps(
        {
            "level": "critical",
            "service": f"payments-api-{number % 50}",
            "description": f"Error rate exceeded {number} per mille for 3 consecutive minutes",
        }
    ).encode()
    head = f"POST /alerts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


async def post(port: int, connections: int, count: int) -> list[float]:
    """Seconds that each of so many posts took, made over so many connections at once, each kept open."""
    taken: list[float] = []
    numbers = iter(range(count))

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            began = time.perf_counter()
            writer.write(request(number))
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length.group(1)) if length else 0)
            taken.append(time.perf_counter() - began)
            work.check(head.startswith((b"http/1.1 200", b"http/1.1 202")), head.decode())
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(one())
    return taken


def rate(server: str, connections: int, count: int) -> float:
    """Posts a second."""
    with serving(server) as (port, _):
        asyncio.run(post(port, connections, WARM))
        began = time.perf_counter()
        asyncio.run(post(port, connections, count))
        return count / (time.perf_counter() - began)


def p99(server: str, connections: int, count: int) -> float:
    """Seconds within which 99 of 100 posts are answered."""
    with serving(server) as (port, _):
        asyncio.run(post(port, connections, WARM))
        return sorted(asyncio.run(post(port, connections, count)))[count * 99 // 100]


def flood(server: str, connections: int, count: int) -> float:
    """Megabytes by which the server has grown from the first tenth of so many posts to the last."""
    with serving(server) as (port, process):
        asyncio.run(post(port, connections, count // 10))
        before = resident(process)
        asyncio.run(post(port, connections, count - count // 10))
        return resident(process) - before


def resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    work.main(globals())
