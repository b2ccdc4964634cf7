"""A shop, a Prometheus that scrapes it, its Alertmanager, `alertctl serve` and `alertctl sandbox`, all on loopback.

Prometheus and Alertmanager are Debian's: `nox -s e2e` unpacks their packages into .nox/debian.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, TypeVar

from alert_sandbox.environment import Addresses, targets

PACKAGES: Final = Path(__file__).parents[2] / ".nox" / "debian" / "prometheus"
ALERTCTL: Final = str(Path(sys.executable).with_name("alertctl"))
TOKEN: Final = "gateway-canary-5Tq8"
CHANNELS: Final = ("slack", "castbrick", "pagerduty")
PATIENCE: Final = 60.0  # seconds for what takes one or two
MOST: Final = 2
"""Alerts that Alertmanager puts into one notification where the label `case` is `truncated`."""

Found = TypeVar("Found")


class Program:
    """A process, and what it has printed."""

    def __init__(self, command: Sequence[str], folder: Path, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ALERT_")}
        self._command = " ".join(command[:2])
        self._printed = threading.Condition()
        self._log = ""
        self._has_ended = False
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env={**kept, **environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def said(self, pattern: str) -> str:
        """The pattern's group in what the process prints, waited for."""
        with self._printed:
            self._printed.wait_for(lambda: re.search(pattern, self._log) or self._has_ended, PATIENCE)
            found = re.search(pattern, self._log)
        assert found, f"{self._command} did not say {pattern}: {self._log}"
        return found[1]

    def log(self) -> str:
        """All that it has printed."""
        with self._printed:
            return f"$ {self._command}\n{self._log}"

    def end(self) -> None:
        """Ask it to end; kill it where it does not."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                with self._printed:
                    self._log += line
                    self._printed.notify_all()
        with self._printed:
            self._has_ended = True
            self._printed.notify_all()


class Shop:
    """What Prometheus scrapes: a server that can be out of order."""

    def __init__(self) -> None:
        self.is_down = False
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = b"" if shop.is_down else b"shop_orders_total 7\n"
                self.send_response(503 if shop.is_down else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Monitoring:
    """All of them, running, as a test sees them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shop = Shop()
        self._programs: dict[str, Program] = {}
        self._urls: dict[str, str] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run them; when this ends, none of the processes is left."""
        with ExitStack() as started:
            started.callback(self.shop.close)
            for start in (self._start_sandbox, self._start_gateway, self._start_alertmanager, self._start_prometheus):
                name, port = start(started)
                self._urls[name] = f"http://127.0.0.1:{port}"
            yield

    def post(self, *alerts: Mapping[str, Any]) -> None:
        """Post alerts to Alertmanager, in the form of its API."""
        body = json.dumps(alerts).encode()
        self._ask(f"{self._urls['alertmanager']}/api/v2/alerts", body, {"Content-Type": "application/json"})

    def end(self, *alerts: Mapping[str, Any]) -> None:
        """Tell Alertmanager that alerts have ended."""
        now = datetime.now(UTC).isoformat()
        self.post(*({**alert, "endsAt": now} for alert in alerts))

    def messages(self, kind: str, text: str) -> list[dict[str, Any]]:
        """What has arrived at a provider and holds this text, as it came."""
        found = json.loads(self._ask(f"{self._urls['sandbox']}/api/messages"))["messages"]
        return [each for each in found if each["kind"] == kind and text in f"{each['title']}\n{each['text']}"]

    def arrived(self, kind: str, text: str) -> dict[str, Any]:
        """The first such message, waited for."""
        return self.eventually(lambda: self.messages(kind, text), f"{text!r} has not arrived by {kind}")[0]

    def incident(self, key: str, status: str) -> dict[str, Any]:
        """PagerDuty's incident of this dedup key, once it is `triggered` or `resolved`."""

        def incidents() -> list[dict[str, Any]]:
            found = [message["view"] for message in self.messages("pagerduty", key)]
            return [view["incident"] for view in found if view["incident"]["status"] == status]

        return self.eventually(incidents, f"no incident of {key} is {status}")[-1]

    def accepted(self, status: str) -> float:
        """How many of Alertmanager's alerts the gateway has accepted with this status."""
        metrics = self._ask(f"{self._urls['gateway']}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        sample = rf'^alert_gateway_accepted_total{{source="alertmanager",status="{status}"}} (\S+)$'
        found = re.search(sample, metrics, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def eventually(self, get: Callable[[], Found], complaint: str) -> Found:
        """What `get()` returns once that is true; AssertionError after PATIENCE."""
        ends = time.monotonic() + PATIENCE
        while not (found := get()):
            assert time.monotonic() < ends, complaint
            time.sleep(0.05)
        return found

    def log(self) -> str:
        """What the processes have printed."""
        return "\n".join(program.log() for program in self._programs.values())

    @staticmethod
    def _ask(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> str:
        asked = urllib.request.Request(url, body, dict(headers or {}))
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def _start(self, started: ExitStack, name: str, command: Sequence[str], **environment: str) -> Program:
        program = self._programs[name] = Program(command, self.folder, **environment)
        started.callback(program.end)
        return program

    def _start_sandbox(self, started: ExitStack) -> tuple[str, str]:
        ports = [f"--{name}=0" for name in ("port", "smtp-port", "smtps-port")]
        program = self._start(started, "sandbox", [ALERTCTL, "sandbox", *ports])
        return "sandbox", program.said(r"The inbox:\s+http://127\.0\.0\.1:(\d+)/")

    def _start_gateway(self, started: ExitStack) -> tuple[str, str]:
        told = targets(Addresses(url=self._urls["sandbox"], host="127.0.0.1", smtp_port=0, smtps_port=0))
        tables = {f"targets.{name}": told[name] for name in CHANNELS} | {
            "gateway": {"token": TOKEN},
            "queue": {"type": "outbox", "path": str(self.folder / "alerts.db"), "poll": "0.2s"},
        }
        route = {"name": "on call", "targets": list(CHANNELS), "repeat_every": "1h"}
        lines = [line for name, table in tables.items() for line in (f"[{name}]", *_toml(table))]
        configuration = self.folder / "alerts.toml"
        configuration.write_text("\n".join([*lines, "[[routes]]", *_toml(route), ""]))
        program = self._start(started, "gateway", [ALERTCTL, "serve", "--port=0"], ALERT_CONFIG=str(configuration))
        return "gateway", program.said(r"Listening on http://127\.0\.0\.1:(\d+)/")

    def _start_alertmanager(self, started: ExitStack) -> tuple[str, str]:
        webhook = {
            "url": f"{self._urls['gateway']}/alerts/alertmanager",
            "http_config": {"authorization": {"type": "Bearer", "credentials": TOKEN}},
        }
        times = {"group_wait": "500ms", "group_interval": "1s", "repeat_interval": "1h"}
        events = {"routing_key": TOKEN, "url": f"{self._urls['gateway']}/alerts/pagerduty"}
        cases = [
            {"receiver": case, "matchers": [f'case="{case}"'], "group_by": ["case"]}
            for case in ("truncated", "pagerduty")
        ]
        configuration = {
            "route": {"receiver": "gateway", "group_by": ["alertname"], **times, "routes": cases},
            "receivers": [
                {"name": "gateway", "webhook_configs": [webhook]},
                {"name": "truncated", "webhook_configs": [{**webhook, "max_alerts": MOST}]},
                {"name": "pagerduty", "pagerduty_configs": [events]},
            ],
        }
        root = _root_of("prometheus-alertmanager", self.folder / "root")
        (root / "alertmanager.yml").write_text(json.dumps(configuration))  # YAML takes JSON
        command = ["/usr/sbin/chroot", str(root), "/usr/bin/prometheus-alertmanager"]
        options = ["--config.file=/alertmanager.yml", "--storage.path=/data", "--cluster.listen-address="]
        program = self._start(started, "alertmanager", [*command, *options, "--web.listen-address=127.0.0.1:0"])
        return "alertmanager", program.said(r"Listening on.* address=127\.0\.0\.1:(\d+)")

    def _start_prometheus(self, started: ExitStack) -> tuple[str, str]:
        rule = {
            "alert": "ShopDown",
            "expr": "up == 0",
            "labels": {"severity": "critical", "service": "shop"},
            "annotations": {"summary": "The shop is down", "description": "{{ $labels.instance }} does not answer."},
        }
        (self.folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "shop", "rules": [rule]}]}))
        managers = [{"static_configs": [{"targets": [self._urls["alertmanager"].removeprefix("http://")]}]}]
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [{"job_name": "shop", "static_configs": [{"targets": [self.shop.address]}]}],
            "alerting": {"alertmanagers": managers},
        }
        (self.folder / "prometheus.yml").write_text(json.dumps(configuration))
        options = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", "--web.listen-address=127.0.0.1:0"]
        program = self._start(started, "prometheus", [str(PACKAGES / "usr" / "bin" / "prometheus"), *options])
        return "prometheus", program.said(r"Listening on.* address=127\.0\.0\.1:(\d+)")


def _root_of(name: str, root: Path) -> Path:
    """A root for this program, which looks for its templates in /usr/share, where they were not unpacked."""
    program = PACKAGES / "usr" / "bin" / name
    shutil.copytree(PACKAGES / "usr" / "share" / "prometheus", root / "usr" / "share" / "prometheus", symlinks=True)
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(0x", linked):
        (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, root / library[1:])
    (root / "usr" / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(program, root / "usr" / "bin")
    return root


def _toml(table: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a table whose values are texts and lists of texts: these are written as in JSON."""
    return (f"{name} = {json.dumps(value)}" for name, value in table.items())
