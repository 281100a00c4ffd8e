"""What the unary hop carries: a call of the bench's own contract, and which of its fields the policy strips."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.contracts.builtin import builtin_files
from gateway.contracts.contract import Contract
from gateway.contracts.load import load, read
from gateway.plan import Form, Plan
from gateway.policy.compile import Compiler
from gateway.policy.load import parse
from tests.bench.values import code

PROTOS: Final = Path(__file__).with_name("protos")
POLICY: Final = Path(__file__).with_name("hop.yaml")

AUTHORITY: Final = "directory.bench"
CALLER: Final = "video.bench"
METHOD: Final = "/bench.v1.Directory/GetMember"
REQUEST: Final = "bench.v1.GetMemberRequest"
ANSWER: Final = "bench.v1.GetMemberResponse"


@dataclass(frozen=True, slots=True)
class Half:
    """One of the two messages of the call.

    Its bytes, the paths of what is stripped of it, and the bytes that are left.
    """

    raw: bytes
    stripped: tuple[str, ...]
    left: bytes


class Directory:
    """The calls of the bench's contract, and what its policy leaves of them."""

    def __init__(self) -> None:
        self._contract = load([PROTOS])
        compiler = Compiler(self._contract, parse(policy("127.0.0.1:1", "null")))
        site = compiler.caller_terms(CALLER, compiler.policy.routes[0].callers[CALLER])
        self._plans = compiler.plan(REQUEST, "directory"), compiler.plan_for(ANSWER, site)

    def halves(self, number: int) -> tuple[Half, Half]:
        """The request of a number and its answer."""
        request, answer = self._plans
        return _half(self._contract, request, self._request(number)), _half(
            self._contract, answer, self._answer(number)
        )

    def request(self, number: int) -> bytes:
        """The request of a number: all that is somebody's is another's with another number."""
        return bytes(self._request(number).SerializeToString())

    def answer(self, number: int) -> bytes:
        """The answer of a number, likewise."""
        return bytes(self._answer(number).SerializeToString())

    def _request(self, number: int) -> Any:
        message: Any = self._contract.message_class(REQUEST)()
        message.user_id, message.work_email = (
            f"usr_8f3kq2x7{code(number)}",
            f"alice.ma.{code(number, 1)}@acme-video.example",
        )
        message.workspace_id, message.member_id, message.depth = (
            f"ws_m5{code(number, 2)}",
            f"mem_4h{code(number, 3)}",
            2,
        )
        message.as_of.seconds = int(time.time())
        message.full_name, message.phone_number = f"Alice Martin-{code(number, 2).capitalize()}", "+33612345678"
        message.ip_address, message.session_id = "203.0.113.77", "ses_0123456789abcdefghij"
        message.device.device_id, message.device.app_version = "6f1c2d3e-4a5b-6c7d", "3.14.2"
        return message

    def _answer(self, number: int) -> Any:
        message: Any = self._contract.message_class(ANSWER)()
        message.user_id, message.work_email = (
            f"usr_2m7x9q4k{code(number, 1)}",
            f"bruno.le.{code(number, 2)}@acme-video.example",
        )
        message.role, message.locale, message.joined_at.seconds = "editor", "fr-FR", int(time.time()) - 400 * 86400
        message.company.company_id, message.company.seats, message.company.legal_name = (
            f"co_m5{code(number)}",
            250,
            "ACME Video SAS",
        )
        message.full_name, message.personal_email = (
            f"Bruno Lefèvre-{code(number, 3).capitalize()}",
            "bruno@mail.example",
        )
        message.last_ip_address = "203.0.113.78"
        message.phone_numbers.extend(("+33698765432", "+33187654321"))
        message.note = "Prefers to be called in the afternoon, knows the Paris office well"
        return message


def policy(upstream: str, exporter: str) -> str:
    """The policy's text: where the upstream listens, and the kind of the access log's exporter."""
    return POLICY.read_text().replace("@UPSTREAM@", upstream).replace("@EXPORTER@", exporter)


def descriptors() -> bytes:
    """The contract as a FileDescriptorSet, with all that it imports."""
    files = {file.name: file for file in (*builtin_files(), *(file for _, files in read([PROTOS]) for file in files))}
    return FileDescriptorSet(file=files.values()).SerializeToString()


def _half(contract: Contract, plan: Plan, message: Any) -> Half:
    raw, stripped = message.SerializeToString(), tuple(_stripped(contract.message(plan.type), plan))
    for path in stripped:
        *above, name = path.split(".")
        inner = message
        for step in above:
            inner = getattr(inner, step)
        inner.ClearField(name)
    return Half(raw, stripped, message.SerializeToString())


def _stripped(message: Descriptor, plan: Plan, index: int = 0) -> Iterator[str]:
    """The paths of a message's fields that a plan doesn't keep, the highest of each."""
    kept = {field.number: field.message for field in plan.messages[index].fields}
    for field in _fields(message):
        if field.number not in kept:
            yield field.name
        elif (inner := kept[field.number]) is not None and plan.messages[inner].form is Form.MESSAGE:
            yield from (f"{field.name}.{path}" for path in _stripped(field.message_type, plan, inner))


def _fields(message: Descriptor) -> Iterable[Any]:
    return message.fields
