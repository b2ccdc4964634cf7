"""Run the rows: every contender in turn, a process each, round after round."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import certifi
import trustme
from rows import Row, Run, Setting

HERE = Path(__file__).parent
TIMEOUT = 120.0


@dataclass(frozen=True)
class Result:
    """What a row gave: each contender's figures, one a round."""

    row: Row
    rounds: dict[str, list[float]]
    notes: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def medians(self) -> dict[str, float]:
        return {who: statistics.median(values) for who, values in self.rounds.items()}

    @property
    def ours(self) -> float:
        return self.medians["alert-core"]

    @property
    def best_peer(self) -> str | None:
        peers = [who for who in self.rounds if who in self.row.against]
        return (max if self.row.more_is_better else min)(peers, key=self.medians.__getitem__, default=None)

    @property
    def ratio(self) -> float | None:
        """Ours over the best peer's: the median of the rounds' ratios."""
        if self.best_peer is None:
            return None
        return statistics.median(
            ours / peer for ours, peer in zip(self.rounds["alert-core"], self.rounds[self.best_peer], strict=True)
        )

    @property
    def met(self) -> bool:
        judged = self.ratio if self.row.of == "ratio" else self.ours
        return judged is not None and self.row.is_met(judged)


@contextmanager
def receivers(*, quick: bool) -> Iterator[Setting]:
    """The servers, in a process of their own, and a bundle of authorities as large as usual that has theirs too."""
    with TemporaryDirectory() as folder:
        authority = trustme.CA()
        certificate, bundle = Path(folder, "server.pem"), Path(folder, "authorities.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
        bundle.write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
        command = [sys.executable, str(HERE / "servers.py"), str(certificate)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None  # noqa: S101 - pipes were asked for
            assert server.stdout is not None  # noqa: S101
            yield Setting(json.loads(server.stdout.readline()), str(bundle), quick)
            server.stdin.close()


def measure(row: Row, environments: dict[str, str], setting: Setting, rounds: int) -> Result:
    """The contenders take turns, so that what slows the machine slows them all."""
    found: dict[str, list[float]] = {run.who: [] for run in row.runs}
    notes: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for run in row.runs:
            value = _value(run, environments.get(run.who.partition(",")[0], sys.executable), setting)
            if isinstance(value, dict):
                notes[run.who] = value
                value = value["mixed"]
            found[run.who].append(value * _FACTORS.get(row.unit, 1.0) if run.script != "importing.py" else value)
    return Result(row, found, notes)


_FACTORS = {"µs": 1e6, "ms": 1e3}
"""Scripts give seconds."""


def _value(run: Run, python: str, setting: Setting) -> float | dict[str, float]:
    arguments = [run.arguments["statement"]] if run.script == "importing.py" else [json.dumps(run.arguments)]
    done = subprocess.run(
        [python, str(HERE / "peers" / run.script), run.function, *arguments],
        env=_environment(setting),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{run.who} could not do {run.function}:\n{done.stderr}")
    value: float | dict[str, float] = json.loads(done.stdout)
    return value


def _environment(setting: Setting) -> dict[str, str]:
    """The developer's own, without alerting configuration and proxies; the receivers' certificate verifies."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ALERT_")}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return kept | {"SSL_CERT_FILE": setting.ca_bundle, "REQUESTS_CA_BUNDLE": setting.ca_bundle}
