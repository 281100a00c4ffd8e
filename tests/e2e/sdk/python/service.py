"""A service as its developers write it, careless with personal data.

Nothing here is set up: `opentelemetry-instrument` does that.

It calls itself over HTTP and gRPC, fails in all the ways there are, logs and measures. What it plants is in
`planted.json`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import quote

import grpc
from aiohttp import ClientSession, web
from opentelemetry import _logs, baggage, context, metrics, trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

PLANTED: Final = json.loads(Path(__file__).parents[1].joinpath("planted.json").read_text())
P: Final = PLANTED["personal"]
USER: Final = {"user.id": PLANTED["may_pass"]["user_id"], "user.email": PLANTED["may_pass"]["work_email"]}

TEXT: Final = (
    f"{P['name']} <{P['email']}>, {P['phone']}, {P['street']}, from {P['address']} with {P['token']} paid by "
    f"{P['card']} for {P['title']}"
)

PERSONAL: Final = {
    "user.name": P["name"],
    "user.full_name": P["name"],
    "enduser.id": P["email"],
    "client.address": P["address"],
    "network.peer.address": P["address6"],
    "url.full": f"https://kannelle.example/{P['email']}?token={P['token']}",
    "url.path": f"/people/{quote(P['name'])}",
    "url.query": f"q={quote(P['title'])}&phone={quote(P['phone'])}",
    "user_agent.original": P["agent"],
    "db.query.text": f"SELECT * FROM users WHERE email = '{P['email']}'",
    "session.id": P["token"],
    "host.name": P["host"],
    "geo.coordinates": P["place"],
    # Under keys that may pass, values that may not.
    "service.version": P["email"],
    "code.function.name": P["phone"],
    "error.type": P["email"],
    "http.route": f"/people/{P['email']}",
    "rpc.method": P["address"],
    "k8s.pod.name": P["card"],
    "kannelle.workspace.id": P["name"],
    "db.operation.name": [P["email"], P["phone"]],
    "deployment.id": base64.b64encode(P["email"].encode()).decode(),
    "k8s.node.name": P["email"].encode().hex(),
    "container.image.name": quote(P["email"], safe=""),
    "feature_flag.key": P["email"].upper(),
    "service.offset": int(P["phone"]),
    "thread.id": int(P["card"].replace(" ", "")),
    "geo.location.lat": float(P["place"].split(",")[0]),
    # And keys that nobody knows.
    "customer": P["name"],
    P["email"]: True,
}

log: Final = logging.getLogger("video")
tracer: Final = trace.get_tracer("video", "1.4.2")
meter: Final = metrics.get_meter("video", "1.4.2")


class NoSuchPerson(Exception):
    """Of the service's own kind."""


def fail(error: BaseException) -> NoReturn:
    """Raise."""
    raise error


def errors() -> Iterator[BaseException]:
    """Each holds what it is about."""
    yield NoSuchPerson(TEXT)
    yield KeyError(P["email"])
    yield ValueError(P["name"], {"phone": P["phone"]})
    yield OSError(2, TEXT, f"/home/{P['email']}/{P['title']}")
    yield UnicodeDecodeError("utf-8", TEXT.encode(), 0, 1, P["name"])
    yield ExceptionGroup(P["title"], [NoSuchPerson(P["email"]), KeyError(P["token"])])
    noted = NoSuchPerson("not found")
    noted.add_note(TEXT)
    noted.__cause__ = KeyError(P["card"])
    yield noted


def spans() -> None:
    """Names, attributes, events, links, statuses, exceptions."""
    where = SpanContext(
        1, 2, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("acme", quote(P["email"]))])
    )
    with tracer.start_as_current_span(
        "export video", links=[Link(where, PERSONAL)], attributes={**PERSONAL, **USER}
    ) as span:
        span.set_attribute("kannelle.video.id", "vid_e2e1")
        span.add_event(f"opened by {P['name']}", PERSONAL)
        span.add_event("opened", {**USER, **PERSONAL})
        span.set_status(Status(StatusCode.ERROR, TEXT))
    for kind in SpanKind:
        tracer.start_span(f"{kind.name} for {TEXT}", kind=kind).end()
    tracer.start_span(
        f"GET /people/{P['email']}", kind=SpanKind.SERVER, attributes={"http.request.method": "GET"}
    ).end()
    for error in errors():
        with suppress(BaseException), tracer.start_as_current_span("fails") as span:
            fail(error)
        span = tracer.start_span("records")
        span.record_exception(error, attributes=PERSONAL, escaped=True)
        span.end()


def logs() -> None:
    """By logging and by the API: messages, arguments, extra, exceptions, stacks, bodies of all kinds."""
    log.info("video exported", extra={**USER, "kannelle.video.id": "vid_e2e1"})
    log.info("video exported", extra={**PERSONAL, "args_of_mine": TEXT})
    log.info("%s signed in from %s", P["name"], P["address"])
    log.warning("paid: %(card)s", {"card": P["card"]})
    log.warning(f"signed in: {TEXT}", stack_info=True)  # noqa: G004 - as careless as people are
    log.error({"who": P["name"], "mail": [P["email"]]})
    log.error(NoSuchPerson(TEXT))
    log.error(TEXT.encode())
    log.critical(P["title"])
    logging.getLogger(P["email"]).error("request failed")
    for error in errors():
        try:
            fail(error)
        except BaseException:
            log.exception("request failed", extra=PERSONAL)
            log.exception("request failed for %s", P["name"])
    logging.captureWarnings(capture=True)
    warnings.warn(TEXT, stacklevel=1)
    logger = _logs.get_logger("video.events", attributes=PERSONAL)
    nested = {"who": {"name": P["name"], "mails": [P["email"], {"phone": P["phone"]}]}}
    for body in (TEXT, {**PERSONAL, **nested}, [P["name"], [P["email"]]], TEXT.encode(), None):
        logger.emit(
            severity_number=SeverityNumber.INFO,
            severity_text=P["name"],
            body=body,
            attributes={**PERSONAL, **nested, **USER},
        )
    logger.emit(event_name=f"signed in: {P['email']}", body="sign-in succeeded", exception=NoSuchPerson(TEXT))


def measure() -> None:
    """With attributes that tell whom, within a span so that there are exemplars."""
    counter = meter.create_counter("videos.exported", unit="{video}", description=f"Ask {P['name']}")
    duration = meter.create_histogram("video.export.duration", unit="s", description=TEXT)
    meter.create_observable_gauge("queue.length", [lambda _: [metrics.Observation(7, PERSONAL)]], unit=P["email"])
    with tracer.start_as_current_span("measures"):
        counter.add(3, {**PERSONAL, **USER, "kannelle.video.codec": "h264"})
        duration.record(1.25, {"enduser.id": P["email"], "kannelle.video.codec": "h264"})


@contextmanager
def carrying() -> Iterator[None]:
    """With baggage, which goes along in headers."""
    token = context.attach(baggage.set_baggage("who", P["name"], baggage.set_baggage("mail", P["email"])))
    try:
        yield
    finally:
        context.detach(token)


HEADERS: Final = {
    "User-Agent": P["agent"],
    "Authorization": f"Bearer {P['token']}",
    "Cookie": f"session={P['token']}; who={quote(P['name'])}",
    "X-Forwarded-For": P["address"],
    "Forwarded": f'for="[{P["address6"]}]"',
    "From": P["email"],
    "X-User": P["name"],
    "tracestate": f"acme={quote(P['email'])}",
}


async def video(request: web.Request) -> web.Response:
    """Found."""
    log.info("request completed", extra=USER)
    return web.json_response({"who": P["name"]}, headers={"X-Owner": P["name"], "Set-Cookie": f"session={P['token']}"})


async def broken(request: web.Request) -> web.Response:
    """Not found, and nobody expected it."""
    raise NoSuchPerson(TEXT)


async def over_http() -> None:
    """A server, and a client that calls it."""
    app = web.Application()
    app.router.add_get("/v1/videos/{video_id}", video)
    app.router.add_post("/v1/people/{who}", broken)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    root = f"http://127.0.0.1:{runner.addresses[0][1]}"
    query = {"token": P["token"], "mail": P["email"]}
    with carrying():
        async with ClientSession(headers=HEADERS) as session:
            await session.get(f"{root}/v1/videos/{quote(P['title'])}", params=query)
            await session.post(f"{root}/v1/people/{P['email']}", data=TEXT)
            await session.get(f"{root}/{quote(P['name'])}/{P['phone']}")
            with suppress(OSError):
                await session.get(f"http://127.0.0.1:1/{P['email']}")
    await runner.cleanup()


def greet(request: bytes, context: grpc.ServicerContext) -> bytes:
    """Answers, refuses or breaks, as it is told."""
    context.set_trailing_metadata((("x-owner", P["email"]),))
    if request == b"refuse":
        context.abort(grpc.StatusCode.NOT_FOUND, TEXT)
    if request == b"break":
        raise NoSuchPerson(TEXT)
    return str(P["name"]).encode()


def over_grpc() -> None:
    """A server, and a client that calls it."""
    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.method_handlers_generic_handler(
        "acme.video.v1.VideoService", {"Greet": grpc.unary_unary_rpc_method_handler(greet)}
    )
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    options = [("grpc.enable_http_proxy", 0), ("grpc.primary_user_agent", P["agent"])]
    with carrying(), grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call: Any = channel.unary_unary("/acme.video.v1.VideoService/Greet")
        for request in (b"", b"refuse", b"break"):
            with suppress(grpc.RpcError):
                call(request, metadata=(("x-user", P["email"]), ("authorization", P["token"])), timeout=10)
    server.stop(None).wait()


if __name__ == "__main__":
    logging.getLogger().setLevel(logging.INFO)
    spans()
    logs()
    measure()
    asyncio.run(over_http())
    over_grpc()
