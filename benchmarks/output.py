"""Results as a table for the terminal, a page for docs/, and JSON."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from measure import Result

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def line(result: Result) -> str:
    """One row for the terminal."""
    return f"{_verdict(result):9} {result.row.name}: {_ours(result)}\n          {_others(result)}"


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Everything, each round too."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rows": [
            {
                "name": result.row.name,
                "work": result.row.work,
                "unit": result.row.unit,
                "goal": result.row.goal,
                "met": result.met,
                "best_peer": result.best_peer,
                "ratio": result.ratio,
                "medians": result.medians,
                "rounds": result.rounds,
                "notes": result.notes,
            }
            for result in results
        ],
    }


def write(page: Path, results: Sequence[Result], rounds: int) -> None:
    """Put the tables between the page's two marks; the rest of the page is written by hand."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{_tables(results, rounds)}\n{END}{after}", encoding="utf-8")


def machine() -> str:
    """Cores, processor, Python and system."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores, {_processor()}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (text.partition(":")[2].strip() for text in lines if text.startswith("model name")), "unknown processor"
    )


def _noise() -> str:
    """How busy the machine is: above the number of its cores, times are too long, ours and others'."""
    return f"Load average at the end: {os.getloadavg()[1]:.1f}." if hasattr(os, "getloadavg") else ""


def _tables(results: Sequence[Result], rounds: int) -> str:
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine()}: medians of {rounds} interleaved rounds.",
        _noise(),
        "",
        "| what | unit | this project | others | ratio | goal | |",
        "|---|---|---|---|---|---|---|",
        *(f"| {' | '.join(_cells(result))} |" for result in results),
        "",
        "The work of each row, the same on all sides but for what is said:",
        "",
        *(f"- **{result.row.name}**: {result.row.work}." for result in results),
    ]
    return "\n".join(lines)


def _cells(result: Result) -> list[str]:
    row = result.row
    return [row.name, row.unit, _figure(result.ours), _others(result), _ratio(result), row.goal, _verdict(result)]


def _ours(result: Result) -> str:
    ratio = f", {_ratio(result)}" if result.best_peer else ""
    return f"{_figure(result.ours)} {result.row.unit}{ratio} (goal {result.row.goal})"


def _ratio(result: Result) -> str:
    return "" if result.ratio is None else f"{_figure(result.ratio)}x {result.best_peer}"


def _others(result: Result) -> str:
    others = [f"{who} {_figure(value)}" for who, value in result.medians.items() if who != "alert-core"]
    kinds = [f"{kind} {_figure(value)}" for kind, value in result.notes.get("alert-core", {}).items()]
    return ", ".join(others) + (f"; this project by kind: {', '.join(kinds)}" if kinds else "")


def _verdict(result: Result) -> str:
    return "met" if result.met else "**missed**"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
