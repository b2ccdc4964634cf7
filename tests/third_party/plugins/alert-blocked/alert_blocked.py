"""It writes the file that BLOCKED_MARK names when it is imported."""

import os
from pathlib import Path

if "BLOCKED_MARK" in os.environ:
    Path(os.environ["BLOCKED_MARK"]).touch()
