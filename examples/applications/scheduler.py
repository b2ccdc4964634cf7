"""A scheduler whose failed and missed jobs become alerts, and whose next success resolves them.

Run it: python scheduler.py
"""

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.schedulers.blocking import BlockingScheduler

import alert_core


def tell(event: JobExecutionEvent) -> None:
    """One event a job: the same dedup key, so that a success resolves what failed before."""
    failed = event.code != EVENT_JOB_EXECUTED
    why = "its time has passed" if event.code == EVENT_JOB_MISSED else repr(event.exception)
    alert_core.enqueue(
        f"Job {event.job_id} failed" if failed else f"Job {event.job_id} runs again",
        why if failed else "It ended without an error.",
        source="scheduler",
        status="firing" if failed else "resolved",
        dedup_key=f"job:{event.job_id}",
    )


def report_stock() -> None:
    """Stand for a job that fails."""
    raise ConnectionError("the warehouse does not answer")


def prepare(scheduler: BaseScheduler) -> None:
    """Give the scheduler its failure callback, and its job."""
    scheduler.add_listener(tell, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_EXECUTED)
    scheduler.add_job(report_stock, "interval", minutes=5, id="report-stock")


if __name__ == "__main__":
    blocking = BlockingScheduler()
    prepare(blocking)
    blocking.start()
