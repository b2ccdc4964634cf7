"""SMS for alert-core: the kinds `castbrick`, `twilio` and `vonage`."""
