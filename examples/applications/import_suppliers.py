"""A nightly script: whatever makes it fail is told, and it still fails.

Run it: python import_suppliers.py suppliers.csv
"""

import csv
import sys
from pathlib import Path

from alert_core import alert_on_error


@alert_on_error("Supplier import failed", severity="critical", source="supplier-import")
def main(path: str) -> None:
    """Read the suppliers; a line without a name is an error."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            if not row["name"]:
                raise ValueError(f"{path}:{number}: no name")
            print("imported", row["name"])


if __name__ == "__main__":
    main(sys.argv[1])
