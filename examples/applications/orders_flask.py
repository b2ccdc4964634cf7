"""A Flask application: an alert where a payment fails, and one for every exception that nobody handled.

Run it: flask --app orders_flask run
"""

from flask import Flask, Response, got_request_exception, jsonify, request

import alert_core

app = Flask(__name__)


@got_request_exception.connect_via(app)
def unhandled(_: Flask, exception: Exception, **__: object) -> None:
    """Tell of it; Flask answers 500 as ever."""
    alert_core.enqueue(
        f"{request.method} {request.path} failed: {type(exception).__name__}",
        str(exception) or type(exception).__name__,
        severity="critical",
        source="orders",
        request_id=request.headers.get("X-Request-Id"),
    )


@app.post("/orders/<int:number>/pay")
def pay(number: int) -> tuple[Response, int]:
    """Where the answer depends on the alert, wait for it, at most the deadline."""
    try:
        charge(number)
    except TimeoutError as error:
        report = alert_core.send("Payment provider timeout", str(error), source="orders", tags=["payments"])
        return jsonify(paid=False, support_knows=report.ok), 503
    return jsonify(paid=True), 200


def charge(number: int) -> None:
    """Stand for the payment provider: 4 is slow, 5 breaks."""
    match number:
        case 4:
            raise TimeoutError("No answer in 10 s to token=tok_live_4242424242424242")
        case 5:
            raise ValueError("unexpected answer")
