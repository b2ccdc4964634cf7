"""As `alert_django.urls`, for a project that is served by ASGI."""

from django.urls import path

from alert_django.views import aingest

urlpatterns = [path("", aingest), path("<path:path>", aingest)]
