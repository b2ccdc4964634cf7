"""An application written for alert-infra 0.1.5 passes its own tests with either distribution."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
COMMAND = ["-m", "pytest", "-c", "application/pytest.ini", "-q", "application"]
TESTS = sum(len(re.findall(r"^def test_", path.read_text(), re.MULTILINE)) for path in HERE.glob("application/tests_*"))


def run(python: str | Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [str(python), *COMMAND],
        cwd=HERE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    passed = re.search(r"^(\d+) passed in", done.stdout, re.MULTILINE)
    assert passed, done.stdout
    assert int(passed[1]) >= TESTS > 30


@pytest.mark.needs("alert-infra")
@pytest.mark.once
def test_its_tests_pass_with_the_real_0_1_5(old_python: Path, clean_environment: dict[str, str]) -> None:
    run(old_python, clean_environment)


def test_its_tests_pass_unchanged_with_this_distribution(clean_environment: dict[str, str]) -> None:
    run(sys.executable, clean_environment)


FIND_TASKS = """
from application import settings
settings.INSTALLED_APPS = [{app!r}]
from celery import Celery
from django.conf import settings as configured
configured.configure(settings)
app = Celery("shop")
app.autodiscover_tasks(configured.INSTALLED_APPS)
app.loader.import_default_modules()
print([name for name in app.tasks if name.startswith("alert_infra")])
"""


@pytest.mark.parametrize("app", ["alert_infra.django", "feature_flag_infra.django"])
def test_celery_finds_the_task_through_the_installed_apps(app: str, clean_environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", FIND_TASKS.format(app=app)]
    done = subprocess.run(
        command, cwd=HERE, env=clean_environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "['alert_infra.dispatch_alert']", done.stderr
