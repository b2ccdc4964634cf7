"""`path("monitoring/", include("alert_django.urls"))`: the gateway's paths below it, as `monitoring/alerts/grafana`."""

from django.urls import path

from alert_django.views import ingest

urlpatterns = [path("", ingest), path("<path:path>", ingest)]
