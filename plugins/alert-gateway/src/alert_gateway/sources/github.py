"""GitHub Actions: the end of a workflow's run, by the webhook event `workflow_run`.

Fields are GitHub's (docs.github.com/webhooks/webhook-events-and-payloads#workflow_run).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alert_core import Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first, value
from alert_gateway.events import Parsed, UnknownShapeError, event, moment
from alert_gateway.proof import is_signed

NAME: Final = "github"
_FAILED: Final = frozenset({"failure", "timed_out", "startup_failure"})


def authenticate(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> bool:
    """Whether `X-Hub-Signature-256` is of these bytes, under the source's `secret`."""
    algorithm, _, signature = headers.get("x-hub-signature-256", "").partition("=")
    return algorithm == "sha256" and is_signed(settings.secret, body, signature)


def delivery_id(_body: bytes, headers: Mapping[str, str]) -> str | None:
    """The delivery's id, which a redelivery shares."""
    return headers.get("x-github-delivery")


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The alert of a run that failed, resolved by the next that succeeds; every other event and end is ignored.

    Raises:
        UnknownShapeError: it says that it is a run, and is none.
    """
    found = document(body, headers)
    run, repository = value(found, "workflow_run"), first(found, "repository.full_name")
    if headers.get("x-github-event", "workflow_run" if run else "") not in {"", "workflow_run"}:
        return Parsed(ignored=1)
    if not (isinstance(run, Mapping) and repository):
        raise UnknownShapeError
    conclusion = first(run, "conclusion") or ""
    if first(found, "action") != "completed" or conclusion not in {*_FAILED, "success"}:
        return Parsed(ignored=1)
    workflow = first(run, "name", "path") or first(found, "workflow.name") or "workflow"
    branch = _branch(run, repository)
    alert = event(
        NAME,
        settings,
        title=f"{workflow} {conclusion.replace('_', ' ')} on {branch}",
        message=_commit(run),
        default=Severity.ERROR,
        status=Status.RESOLVED if conclusion == "success" else Status.FIRING,
        key=f"{repository} {first(run, 'workflow_id', 'path') or workflow} {branch}",
        url=first(run, "html_url"),
        at=moment(value(run, "updated_at")),
        metadata={
            "triggered_by": first(run, "event"),
            "actor": first(run, "triggering_actor.login", "actor.login"),
            "commit": first(run, "head_sha"),
            "run": first(run, "run_number"),
            "attempt": attempt if (attempt := first(run, "run_attempt")) != "1" else None,
        },
        service=repository,
    )
    return Parsed([alert])


def _branch(run: Mapping[str, Any], repository: str) -> str:
    """The branch; `owner:branch` where it is a fork's, whose `main` is not ours."""
    branch, head = first(run, "head_branch") or "no branch", first(run, "head_repository.full_name")
    return branch if head in {None, repository} else f"{head.partition('/')[0]}:{branch}"


def _commit(run: Mapping[str, Any]) -> str | None:
    """What it ran on: the commit's subject or the pull request's title, and whose it is."""
    subject = first(run, "display_title") or (first(run, "head_commit.message") or "").partition("\n")[0]
    author = first(run, "head_commit.author.name")
    return f"{subject} ({author})" if subject and author else subject or None
