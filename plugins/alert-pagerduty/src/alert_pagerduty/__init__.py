"""PagerDuty for alert-core: the kind `pagerduty` (Events API v2)."""
