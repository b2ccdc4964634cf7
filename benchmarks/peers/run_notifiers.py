"""notifiers' side: its Slack and its e-mail provider."""

import notifiers  # type: ignore[import-not-found]  # installed in its own environment
import work


def post(url: str, seconds: float) -> float:
    slack = notifiers.get_notifier("slack")

    def send(fields: work.Fields) -> bool:
        return bool(slack.notify(webhook_url=url, message=f"{fields['title']}\n{work.text(fields)}").ok)

    return work.per_second(send, seconds)


def mail(port: int, seconds: float) -> float:
    email = notifiers.get_notifier("email")
    options = {"host": "127.0.0.1", "port": port, "from_": "alerts@example.com", "to": "ops@example.com"}

    def send(fields: work.Fields) -> bool:
        return bool(email.notify(**options, subject=fields["title"], message=work.text(fields)).ok)

    return work.per_second(send, seconds)


if __name__ == "__main__":
    work.main(globals())
