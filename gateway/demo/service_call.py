"""The call that one service makes to another: who makes it, what is said on both sides, what is logged of it.

All people and companies are made up. What may become of it stands in `expectations.py`, as of all else.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import msgspec

from gateway.demo.item import Item
from gateway.model import Category
from gateway.policy.document import Caller, Policy, TrafficDirection
from gateway.policy.load import PolicyFile

CALLER: Final = "spiffe://kannelle.io/ns/video/sa/studio"
CALLER_AUTHORITY: Final = "studio.kannelle.svc"
CALLEE: Final = "spiffe://kannelle.io/ns/workspace/sa/workspaces"
AUTHORITY: Final = "workspaces.kannelle.svc"
NAME: Final = "AddMembership"
METHOD: Final = f"kannelle.workspace.v1.WorkspaceService/{NAME}"

SERVICE: Final = "workspace-directory"
"""The destination of the request."""

ANSWER: Final = "studio"
"""Who gets the answer, named as a destination is."""

ACCESS_LOG: Final = "access-log"

ENTRY: Final = "kannelle.privacy.v1.AccessEntry"

METADATA: Final = (
    ("authorization", "Bearer 0b7d9c3e5f"),
    ("x-signed-in-as", "Camille Aubert"),
)
"""What the caller sends beside the message. The token is for the service called; who has signed in is for nobody."""

REQUEST: Final = Item(
    title="AddMembership: studio asks",
    type="kannelle.workspace.v1.AddMembershipRequest",
    fields={
        "membership": {
            "workspace_id": "ws_hallenord",
            "work_email": "Lea.Fontaine+kannelle@Halle-Nord.example",
            "role": "WORKSPACE_ROLE_EDITOR",
        }
    },
    destinations=(SERVICE,),
    replacements={"membership.work_email": "lea.fontaine@halle-nord.example"},
    embedded={"Camille Aubert": Category.NAME},
)

RESPONSE: Final = Item(
    title="AddMembership: workspaces answers",
    type="kannelle.workspace.v1.AddMembershipResponse",
    fields={
        "membership": {
            "workspace_id": "ws_hallenord",
            "work_email": "lea.fontaine@halle-nord.example",
            # What she is there already: an invitation changes nothing about it.
            "role": "WORKSPACE_ROLE_ADMIN",
        }
    },
    destinations=(ANSWER,),
)


def _entry(whose: str, listener: str, fields_stripped: int) -> Item:
    fields = {
        "listener": listener,
        "method": METHOD,
        "peer": CALLER,
        "fields_stripped": fields_stripped,
        "work_email": "lea.fontaine@halle-nord.example",
    }
    return Item(title=f"{whose} gateway", type=ENTRY, fields=fields, destinations=(ACCESS_LOG,))


ENTRIES: Final = (
    # The role and who is signed in, on the way there.
    _entry("studio's", "LISTENER_OUTBOUND", 2),
    # The address, on the way back.
    _entry("workspaces'", "LISTENER_INBOUND", 1),
)
"""What each gateway notes of the call."""


def caller(policy: Policy) -> Caller:
    """What the policy lets the caller know."""
    return next(route.callers[CALLER] for route in policy.routes if route.authority == AUTHORITY)


def to_gateway(file: PolicyFile, address: str) -> PolicyFile:
    """The policy whose calls to the other service go to its gateway at an address."""
    return _redirect(file, TrafficDirection.OUTBOUND, address)


def to_service(file: PolicyFile, address: str) -> PolicyFile:
    """The policy whose calls that come for the other service go to it at an address."""
    return _redirect(file, TrafficDirection.INBOUND, address)


def _redirect(file: PolicyFile, direction: TrafficDirection, address: str) -> PolicyFile:
    routes = tuple(
        msgspec.structs.replace(route, upstream=(address,))
        if (route.listener, route.authority) == (direction, AUTHORITY)
        else route
        for route in file.policy.routes
    )
    return dataclasses.replace(file, policy=msgspec.structs.replace(file.policy, routes=routes))
