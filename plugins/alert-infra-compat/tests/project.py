"""A Django project for the calls, set up when it is imported."""

from __future__ import annotations

import django
from django.conf import settings
from django.test.utils import setup_test_environment

TEMPLATES = {
    "subject.txt": "{{ product }} {{ alert.severity|upper }}:\n{{ alert.title }}\n",
    "body.txt": "{{ alert.message }}\nSource: {{ alert.source|default:'unknown' }}\n"
    "{% for tag in tags %}#{{ tag }} {% endfor %}{{ metadata.invoice }} {{ alert_dict.request_id }}\n",
    "body.html": "<h1>{{ alert.title }}</h1><p>{{ alert.message }}</p>{{ alert_dict.severity }}",
    "broken.txt": "{{ alert.title|nofilter }}",
}
settings.configure(
    USE_TZ=True,
    INSTALLED_APPS=["alert_infra.django"],
    DEFAULT_FROM_EMAIL="team@example.com",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", TEMPLATES)]},
        }
    ],
)
django.setup()
setup_test_environment()
