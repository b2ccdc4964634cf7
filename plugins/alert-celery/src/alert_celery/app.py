"""A worker for plain Python: `celery -A alert_celery.app worker -Q alerts`.

It is built from ALERT_CONFIG, else ./alerts.toml, whose `[queue]` says where the broker is.
"""

from alert_celery.worker import queue_of, register
from alert_core.default import get

dispatcher = get()
app = queue_of(dispatcher).celery
register(app, dispatcher)
