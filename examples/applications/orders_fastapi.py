"""A FastAPI application: an alert where a payment fails, one for every exception that nobody handled, and none lost.

Run it: uvicorn orders_fastapi:app
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

import alert_core


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """On the way out, wait for what is still being delivered."""
    yield
    alert_core.flush(10)


app = FastAPI(lifespan=lifespan)


@app.exception_handler(Exception)
def unhandled(request: Request, error: Exception) -> JSONResponse:
    """Tell of it, and answer as FastAPI would. A `def` runs in a thread: the event loop never waits for an alert."""
    where = f"{request.method} {request.url.path}"
    alert_core.enqueue(
        f"{where} failed: {type(error).__name__}",
        str(error) or type(error).__name__,
        severity="critical",
        source="orders",
        metadata={"client": request.client.host if request.client else None},
        request_id=request.headers.get("x-request-id"),
    )
    return JSONResponse({"detail": "Internal Server Error"}, status_code=500)


@app.post("/orders/{number}/pay")
async def pay(number: int) -> JSONResponse:
    """Where the answer depends on the alert, wait for it: `asend()` lets other requests go on meanwhile."""
    try:
        charge(number)
    except TimeoutError as error:
        report = await alert_core.asend("Payment provider timeout", str(error), source="orders", tags=["payments"])
        return JSONResponse({"paid": False, "support_knows": report.ok}, status_code=503)
    return JSONResponse({"paid": True})


def charge(number: int) -> None:
    """Stand for the payment provider: 4 is slow, 5 breaks."""
    match number:
        case 4:
            raise TimeoutError("No answer in 10 s to token=tok_live_4242424242424242")
        case 5:
            raise ValueError("unexpected answer")
