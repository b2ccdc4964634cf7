"""A good transport of another protocol than HTTP: a line a message and recipient, and a line for an answer."""

import socket
import ssl
import time

from alert_core import (
    Alert,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    Secret,
    Transport,
    UncertainDeliveryError,
    option,
)
from alert_core.text import one_line


class Lines(Transport):
    kind = "lines"
    recipients_option = "to"
    host: str = option(help="where it listens")
    port: int = option(default=25, help="on which port")
    token: Secret = option(help="the password")
    to: tuple[str, ...] = option(help="the recipients")
    ca_bundle: str | None = option(default=None, help="whom to trust, where it speaks TLS")

    def send(self, alert: Alert, recipient: str = "") -> Receipt:
        ends = time.monotonic() + self.time_left()
        text = " ".join([self.token.reveal(), recipient, alert.status, one_line(alert.title), one_line(alert.message)])
        with self.connected(self.time_left()) as connection:
            try:
                connection.sendall(text.encode("utf-8", "replace") + b"\n")
                answer = self.answer(connection, ends)
            except OSError as error:
                raise UncertainDeliveryError(f"no answer ({type(error).__name__})") from None
        status, _, rest = answer.decode("latin-1").partition(" ")
        if not status.isdigit():
            raise UncertainDeliveryError("answered, but not as documented")
        if status[0] == "2":
            return Receipt(id=rest, recipient=recipient)
        raise (RetryableDeliveryError if status[0] == "4" else PermanentDeliveryError)("refused", status=int(status))

    def connected(self, seconds: float) -> socket.socket:
        try:
            connection = socket.create_connection((self.host, self.port), timeout=seconds)
        except OSError as error:
            raise RetryableDeliveryError(f"could not connect ({type(error).__name__})") from None
        if self.ca_bundle is None:
            return connection
        try:
            context = ssl.create_default_context(cafile=self.ca_bundle)
            return context.wrap_socket(connection, server_hostname=self.host)
        except ssl.SSLCertVerificationError:
            connection.close()
            raise PermanentDeliveryError("the server's certificate does not verify") from None
        except OSError as error:
            connection.close()
            raise RetryableDeliveryError(f"could not connect ({type(error).__name__})") from None

    def answer(self, connection: socket.socket, ends: float) -> bytes:
        answer = b""
        while not answer.endswith(b"\n"):
            if (left := ends - time.monotonic()) <= 0:
                raise TimeoutError
            connection.settimeout(left)
            part = connection.recv(1)
            if not part:
                raise ConnectionResetError
            answer += part
        return answer.strip()
