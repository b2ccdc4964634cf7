"""The contract: whatever an alert says, the provider takes it, and its reader sees the title."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from alert_core.alert import Alert
from alert_core.testing.contract.base import ContractBase, an_alert, visible

if TYPE_CHECKING:
    from alert_core.testing.replies import Received

_HEAD: Final = 20  # characters of a title that every provider has room for
_EMOJI: Final = "🔥 Диск 👩🏽\u200d🚒 full 🇦🇴"
_RIGHT_TO_LEFT: Final = "القرص ممتلئ \u202edb1\u202c"


class Content(ContractBase):
    """Alerts of every form."""

    def sent(self, alert: Alert) -> Received:
        """The request that an alert became, which the provider would take."""
        server = self.serve()
        transport = self.connect(server)
        self.deliver(transport, alert)
        transport.close()
        if not server.received:
            self.fail("send() succeeded, but no request came")
        request = server.received[-1]
        try:
            self.check_request(request, alert)
        except AssertionError as error:
            self.fail(f"the provider would refuse this request: {error}")
        for text in self.strings(request):
            if self.max_text is not None and len(text) > self.max_text:
                self.fail(
                    f"a text of {len(text)} characters went out, and the provider's limit is {self.max_text}: cut it "
                    "with alert_core.text.truncate() before it is escaped"
                )
        return request

    def title_kept(self, request: Received, title: str) -> None:
        """Fail unless a reader of the request sees the title, or the start of a long one."""
        wanted = visible(title)[:_HEAD]
        if wanted not in visible(self.shown(request)):
            self.fail(
                f"the title's start {title[:_HEAD]!r} is not in the request: keep the title whatever else is cut; "
                "where the body has a form of its own, override strings() or shown() in the contract class"
            )

    def test_an_alert_of_every_field_is_taken(self) -> None:
        """Source, tags, metadata, URL."""
        self.title_kept(self.sent(an_alert()), "Disk full")

    def test_an_alert_of_nothing_but_a_title_is_taken(self) -> None:
        """As `alertctl send TITLE` makes it."""
        self.title_kept(self.sent(Alert("Disk full", "Disk full")), "Disk full")

    def test_an_alert_of_nothing_visible_is_taken(self) -> None:
        """A title and a message of control characters: the provider must not get an empty text."""
        self.sent(Alert("\x07", "\x1b\u200b"))

    def test_a_long_alert_is_cut_to_the_providers_limit(self) -> None:
        """Title, message, tags and metadata, each far over every limit; the title's start survives."""
        title = "Disk full on db1 " * 1000
        metadata: dict[str, Any] = {f"key {n}": "value " * 100 for n in range(200)}
        tags = tuple(f"tag-{n}" for n in range(500))
        self.title_kept(self.sent(an_alert(title, "é" * 1_000_000, tags=tags, metadata=metadata)), title)

    def test_a_message_of_many_lines_is_taken(self) -> None:
        """Unix, Windows and Unicode line ends."""
        message = "first line\nsecond\r\nthird\rfourth\u2028fifth\n\n\n.\nlast"
        request = self.sent(an_alert(message=message))
        self.title_kept(request, "Disk full")
        if "second" not in self.shown(request):
            self.fail("the message's second line is not in the request: keep the whole message where there is room")

    def test_line_ends_in_a_title_add_no_header(self) -> None:
        """Nor do those in the source, a tag or the dedup key."""
        evil = "Disk full\r\nX-Injected: yes\r\n\r\nbody"
        request = self.sent(an_alert(evil, evil, source=evil, tags=(evil,), dedup_key=evil))
        if any("injected" in name for name in request.headers):
            self.fail("a line break in the alert began a header: put text through alert_core.text.one_line() first")
        self.title_kept(request, "Disk full")

    def test_emoji_are_taken_whole(self) -> None:
        """Beyond the basic plane, joined, with skin tones and flags."""
        self.title_kept(self.sent(an_alert(_EMOJI, _EMOJI * 100)), _EMOJI)

    def test_right_to_left_text_is_taken(self) -> None:
        """With marks of direction."""
        self.title_kept(self.sent(an_alert(_RIGHT_TO_LEFT, _RIGHT_TO_LEFT)), _RIGHT_TO_LEFT)

    def test_control_characters_are_taken(self) -> None:
        """All of them, and lone surrogates, in every field."""
        controls = "".join(map(chr, (*range(32), *range(127, 160)))) + "\ud800"
        title = f"Disk{controls}full"
        request = self.sent(an_alert(title, controls + "text", source=title, tags=(title,), metadata={title: title}))
        self.title_kept(request, "Disk")

    def test_markup_in_an_alert_is_not_live(self) -> None:
        """A title cannot ping a channel, close a tag or hide a link."""
        if not self.markup:
            pytest.skip("markup = (): the provider is said to show texts as they are")
        for live in self.markup:
            title = f"Disk {live} full & < > \" ' * _ ` |"
            request = self.sent(an_alert(title, live, source=live, tags=(live,), metadata={live: live}))
            if any(live in text for text in self.strings(request)):
                self.fail(f"{live!r} from the alert is live markup in the request: escape every text that goes in")
            self.title_kept(request, title)

    def test_a_resolve_is_delivered(self) -> None:
        """And shows as such, where the transport supports it."""
        firing = an_alert(dedup_key="disk-db1")
        begun, ended = self.sent(firing), self.sent(firing.evolve(status="resolved"))
        if not self.supports_resolve:
            return
        if begun.body == ended.body:
            self.fail("a resolve went out as the firing did: show alert.status, or use the provider's resolve")
        key = firing.dedup_key.encode()
        if key in begun.body and key not in ended.body:
            self.fail("the resolve has another dedup key than its firing: use alert.dedup_key for both")
