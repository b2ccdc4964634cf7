"""What a statement costs in a new interpreter: `importing.py time|memory STATEMENT`.

Prints milliseconds, or megabytes of resident memory (Linux).
"""

import sys
import time

what, statement = sys.argv[1:]
start = time.perf_counter()
exec(statement)  # noqa: S102 - rows.py wrote it
taken = time.perf_counter() - start
if what == "time":
    print(taken * 1e3)
else:
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib would be counted too
        print(next(int(line.split()[1]) * 1024 / 1e6 for line in status if line.startswith("VmRSS")))
