"""A start of the gateway, and policies of many types and destinations: time of the processor, and memory."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import Final

from gateway.pipeline.flows import Flows
from gateway.policy.compile import Compiler
from gateway.receivers.proxy.compiled_routes import CompiledRoutes
from tests.bench.asked_process import asked, measured
from tests.bench.gateway import gateway
from tests.bench.instructions import Counter
from tests.bench.measure import Key, Measure, Sample, Size, in_turn
from tests.bench.process import Server, program, resident_mib, scratch
from tests.bench.table import Case, Layout, Measured
from tests.bench.values import NONE
from tests.support.contracts import PROTO_HEADER, contract, policy, proto

BARE: Final = "a bare grpc.aio handler"
GATEWAY: Final = "`privacy-gateway serve` with Kannelle's policy"

START: Final = Layout(
    "start",
    "a start, until calls are taken; memory of the process, idle",
    "a start",
    (Case(BARE), Case(GATEWAY, NONE, BARE)),
    counted=False,
    memory=True,
)

POLICIES: Final = ((500, 1), (500, 20), (5_000, 20))
"""How many types, each led to how many destinations."""

COMMON: Final = """
message User { string id = 1 @USER_ID; string email = 2 @WORK_EMAIL; string name = 3 @NAME; Team team = 4; }
message Team { string id = 1 @OPERATIONAL; string title = 2 @FREE_TEXT; Region region = 3; }
message Region { string code = 1 @{category: OPERATIONAL, pattern: "[a-z]{2}-[a-z]{1,12}-[0-9]"}; int32 zone = 2 @OPERATIONAL; }
enum Status { STATUS_UNSPECIFIED = 0; STATUS_OPEN = 1; }
"""


TYPES_A_FILE: Final = 500
"""A file of all types would be larger than one may be."""


def _name(types: int, destinations: int) -> str:
    return f"{types:,} types × {destinations} {'destination' if destinations == 1 else 'destinations'}"


COMPILING: Final = Layout(
    "policies",
    "a policy compiled, with its engines; what more memory the process has then",
    "a policy",
    tuple(
        Case(_name(*given), NONE, "" if given == POLICIES[0] else _name(*POLICIES[0]))
        for given in POLICIES
    ),
    counted=False,
    memory=True,
)  # fmt: skip

LAYOUTS: Final = (START, COMPILING)


def run(size: Size, _counter: Counter | None) -> Iterator[tuple[Layout, Measured]]:
    """Measure starts, then policies."""
    memory: dict[Key, float] = {}
    with scratch() as folder:
        starts = {
            (BARE, NONE): _starting((BARE, NONE), lambda: program("handler"), memory),
            (GATEWAY, NONE): _starting((GATEWAY, NONE), lambda: gateway(folder), memory),
        }
        yield START, Measured(in_turn(starts, size.rounds), memory=memory)
    yield COMPILING, _policies(size)


def _starting(key: Key, start: Callable[[], AbstractContextManager[Server]], memory: dict[Key, float]) -> Measure:
    """What measures a start, and notes the memory that the process takes when it is idle."""

    def measure() -> Sample:
        begun = time.perf_counter()
        with start() as server:
            sample = Sample(server.cpu, time.perf_counter() - begun)
            server.settle()
            memory[key] = resident_mib(server.pid)
        return sample

    return measure


def _policies(size: Size) -> Measured:
    compilers = {
        (_name(types, destinations), NONE): asked(_compile, size.of(types), destinations)
        for types, destinations in POLICIES
    }
    return measured(compilers, size)


def _compile(pipe: Connection, types: int, destinations: int) -> None:
    held = contract(
        proto(COMMON), *(_file(range(types)[start : start + TYPES_A_FILE]) for start in range(0, types, TYPES_A_FILE))
    )
    names = [f"d{index}" for index in range(destinations)]
    led = ", ".join(names)
    file = policy(
        flows=f"{{{', '.join(f't.Item{index}: [{led}]' for index in range(types))}}}",
        destinations="".join(map(_destination, names)),
    )
    gc.collect()
    before = resident_mib(os.getpid())
    compiled = _compiled(Compiler(held, file))
    gc.collect()
    pipe.send(resident_mib(os.getpid()) - before)
    del compiled
    while _asked(pipe):
        cpu, wall = time.process_time(), time.perf_counter()
        _compiled(Compiler(held, file))
        pipe.send(Sample(time.process_time() - cpu, time.perf_counter() - wall))


def _compiled(compiler: Compiler) -> CompiledRoutes:
    return CompiledRoutes(Flows(compiler))


def _asked(pipe: Connection) -> bool:
    try:
        return bool(pipe.recv())
    except EOFError:
        return False


def _file(indices: Sequence[int]) -> str:
    return proto("".join(map(_messages, indices)), f'{PROTO_HEADER}import "f0.proto";\n')


def _messages(index: int) -> str:
    """An item's type, and one of which it has many: of both there is one for each `index`."""
    sku = f'@{{category: OPERATIONAL, pattern: "sku{index}_[a-z0-9]{{1,16}}"}}'
    return (
        f"message Line{index} {{ string sku = 1 {sku}; string note = 2 @FREE_TEXT; User by = 3; }}\n"
        f"message Item{index} {{ User user = 1 @{{subject: true}}; repeated Line{index} lines = 2; Team team = 3; "
        "Status status = 4 @OPERATIONAL; google.protobuf.Timestamp at = 5 @OPERATIONAL; string code = 6 @OPERATIONAL; }\n"
    )


def _destination(name: str) -> str:
    return (
        f"  {name}: {{recipient: service, region: FR, purpose: functional.service, legal_basis: CONTRACT, "
        "allow: [USER_ID, WORK_EMAIL, OPERATIONAL, NAME], retention: 30d, exporter: {kind: 'null'}}\n"
    )
