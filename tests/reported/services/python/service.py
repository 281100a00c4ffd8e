"""A normal service, set up by `opentelemetry-instrument` alone.

HTTP, gRPC, Kafka, a database, a cache that isn't there, errors, logs.
"""

# What it imports is installed in a folder of its own, where types are not looked at.
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import redis
from aiohttp import ClientError, ClientSession, web
from kafka import KafkaConsumer, KafkaProducer
from opentelemetry import metrics, trace

LOG = logging.getLogger("kannelle.video")
TRACER = trace.get_tracer("kannelle.video", "1.4.2")


class Exporter:
    """What methods and inner classes are named for."""

    class Full(Exception):
        """An error of the program's own."""

    def run(self) -> None:
        """Fail, in a lambda."""
        say = lambda: LOG.error("video export failed", extra={"kannelle.video.codec": "h264"})  # noqa: E731 - reported as a lambda is
        say()
        raise self.Full


def local() -> type[Exception]:
    """Return a class that no module has."""

    class Local(Exception):
        pass

    return Local


def fail() -> None:
    """Raise errors of all kinds, in spans that record them."""
    works: tuple[Callable[[], Any], ...] = (
        Exporter().run, lambda: int("x"), lambda: {}["title"], lambda: Path("/nowhere").read_text(), lambda: next(iter([])), lambda: 1 / 0,
        lambda: raised(local()()), lambda: raised(ExceptionGroup("x", [ValueError()])), lambda: raised(asyncio.CancelledError()),
    )  # fmt: skip
    for work in works:
        try:
            with TRACER.start_as_current_span("video.export"):
                work()
        except BaseException as error:
            LOG.exception("video export failed", extra={"error.type": type(error).__qualname__})


def raised(error: BaseException) -> None:
    """Raise an error."""
    raise error


async def over_http() -> None:
    """Serve, and call; also what isn't there."""

    async def video(request: web.Request) -> web.Response:
        LOG.info("request completed")
        return web.json_response({})

    async def export(request: web.Request) -> web.Response:
        raise Exporter.Full

    app = web.Application()
    app.router.add_get("/v1/videos/{video_id}", video)
    app.router.add_post("/v1/exports", export)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://localhost:{runner.addresses[0][1]}"
    calls = (
        ("GET", f"{base}/v1/videos/vid_5k2p"),
        ("POST", f"{base}/v1/exports"),
        ("GET", f"{base}/nothing"),
        ("GET", "http://localhost:1/"),
    )
    async with ClientSession() as session:
        for method, url in calls:
            with contextlib.suppress(ClientError):
                await session.request(method, url)
    await runner.cleanup()


def over_grpc() -> None:
    """Serve a method that works and fails, and call it."""

    def greet(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such video")
        return b""

    handlers = {"Greet": grpc.unary_unary_rpc_method_handler(greet)}
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("kannelle.video.v1.VideoService", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        call = channel.unary_unary("/kannelle.video.v1.VideoService/Greet")
        call(b"")
        with contextlib.suppress(grpc.RpcError):
            call(b"x")
    server.stop(0).wait()


def over_kafka(broker: str) -> None:
    """Send a message, and receive it."""
    producer = KafkaProducer(bootstrap_servers=broker, client_id="video")
    producer.send("video.exports.requested", b"{}", b"vid_5k2p")
    producer.flush()
    producer.close()
    consumer = KafkaConsumer(
        "video.exports.requested",
        bootstrap_servers=broker,
        group_id="video-exporter",
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    for _ in consumer:
        LOG.info("video exported")
        break
    consumer.close()


def in_databases() -> None:
    """Ask a database, also for what it doesn't have, and a cache that isn't there."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        cursor = database.cursor()
        cursor.execute("CREATE TABLE videos (id INT PRIMARY KEY, title TEXT)")
        cursor.execute("INSERT INTO videos VALUES (?, ?)", (7, "Harbour"))
        cursor.execute("SELECT title FROM videos WHERE id = 7")
        with contextlib.suppress(sqlite3.Error):
            cursor.execute("SELECT title FROM nothing")
    with contextlib.suppress(redis.RedisError):
        redis.Redis("localhost", 1).get("vid_5k2p")


if __name__ == "__main__":
    LOG.setLevel(logging.INFO)
    LOG.info("server started")
    metrics.get_meter("kannelle.video", "1.4.2").create_counter("videos.exported", "{video}").add(
        1, {"kannelle.video.codec": "h264"}
    )
    fail()
    asyncio.run(over_http())
    over_grpc()
    over_kafka(sys.argv[1])
    in_databases()
