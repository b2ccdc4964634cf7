"""Measure this project and its peers side by side; `nox -s bench` makes the environments and runs this.

Exit status 0 whatever the figures: a benchmark is no test.
"""

import argparse
import json
import os
from pathlib import Path

import output
from gateway import gateway
from measure import measure, receivers
from rows import rows

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
PEERS = ("alert-infra", "apprise", "notifiers", "persist-queue", "huey")
CORES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path, required=True, help="folder with a virtual environment for each peer")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each row; default: 5")
    parser.add_argument("--only", default="", help="only rows whose name has this in it")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything runs")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    options = parser.parse_args()
    if options.write and (options.only or options.quick):
        parser.error("--write is for a whole run")
    rounds = 1 if options.quick else options.rounds
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    environments = {peer: str(options.peers / peer / "bin" / "python") for peer in PEERS}
    results = []
    with receivers(quick=options.quick) as setting:
        for row in (*rows(setting), *gateway(setting)):
            if options.only in row.name:
                results.append(measure(row, environments, setting, rounds))
                if not options.json:
                    print(output.line(results[-1]), flush=True)
    if options.json:
        print(json.dumps(output.as_json(results), indent=2, ensure_ascii=False))
    if options.write:
        output.write(PAGE, results, rounds)


main()
