"""A worker whose log records at ERROR and above become alerts, by the standard library's own configuration.

Run it: echo '{"customer": 4711}' | python worker.py
"""

import json
import logging.config
import sys

logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
        "handlers": {
            "terminal": {"class": "logging.StreamHandler", "formatter": "plain"},
            "alerts": {"class": "alert_core.logging.AlertHandler", "level": "ERROR"},
        },
        "root": {"level": "INFO", "handlers": ["terminal", "alerts"]},
    }
)
logger = logging.getLogger("worker")


def main() -> None:
    """Take one job a line."""
    for line in sys.stdin:
        try:
            job = json.loads(line)
            logger.info("invoice for customer %s", job["customer"])
        except (ValueError, KeyError):
            logger.exception("A job could not be read")


if __name__ == "__main__":
    main()
