"""What this distribution contributes. It imports nothing heavy: a transport loads when a target needs it."""

from collections.abc import Iterable

from alert_core import TransportSpec, hookimpl


@hookimpl
def alert_register() -> Iterable[TransportSpec]:
    """The three kinds."""
    yield TransportSpec("castbrick", "alert_sms.castbrick:CastBrickTransport", "SMS through CastBrick")
    yield TransportSpec("twilio", "alert_sms.twilio:TwilioTransport", "SMS through Twilio")
    yield TransportSpec("vonage", "alert_sms.vonage:VonageTransport", "SMS through Vonage")
