"""Contract × policy → plans. The only maker of plans."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import msgspec

from gateway.contracts.approvals import read_approvals
from gateway.contracts.classify import Misplaced, Overlay, approved, claims
from gateway.contracts.contract import Contract
from gateway.detectors.data import DIGEST
from gateway.errors import BadContract, FieldReason
from gateway.model import Category, FieldPrivacy, Recipient
from gateway.plan import VERSION, Mask, MethodPlan, Payload, Plan, SubjectPlan
from gateway.policy import elsewhere, mail, status
from gateway.policy import exporter_checks as outgoing
from gateway.policy.document import Caller, Destination
from gateway.policy.fields import is_map
from gateway.policy.judge import UNCATEGORISED, Site, kind_of, kind_of_message
from gateway.policy.load import PolicyFile
from gateway.policy.otlp import slots
from gateway.policy.project import Projection, Projector
from gateway.policy.residency import ceiling_of
from gateway.policy.subject import subject_plan
from gateway.policy.table import Table, build
from gateway.policy.values import properties
from gateway.signals import BY_FLOW
from gateway.yamlfile import Keys

EVENT: Final = "kannelle.privacy.v1.AnalyticsEvent"
"""The type whose items the tracking plan rules."""

SERVICES: Final[Mapping[str, str]] = {
    "kannelle.privacy.v1.ActivityLogService": "kannelle.privacy.v1.ActivityEntry",
    "kannelle.privacy.v1.AnalyticsService": EVENT,
    "kannelle.privacy.v1.SupportService": "kannelle.privacy.v1.SupportMessage",
}
"""The emit services whose items have one type."""

OURS: Final = frozenset({"kannelle.privacy.v1.AccessEntry"})
"""The types of items that only the gateway itself makes: a flow of one feeds its logs, and nobody can send it one."""

MAX_FIELDS_COMPILED: Final = 2_000_000
"""Fields, and numbers of enums, of all plans of one policy together.

A type's plan holds all that it leads to, for each destination.
"""

FEWER: Final = "name fewer of them, or types that lead to less"

NO_ITEM: Final = "is a value, classified at the field that holds it; it can't be an item"


class Compiler:
    """Makes the plans of one contract under one policy, each when first asked for, and the same each time.

    `policy` is what of it is about this contract, `written` all of it, `absent` what is about others.
    """

    def __init__(self, contract: Contract, file: PolicyFile) -> None:
        """Raises BadContract or BadPolicy if the policy's classifications or approvals don't fit the contract."""
        self.contract = contract
        self.written = file.policy
        self.policy, self.absent = elsewhere.split(contract, file.policy)
        self.claims = self._claims(file)
        self.approvals = None if self.policy.approvals is None else file.path.parent / self.policy.approvals
        self.classes = self.claims if self.approvals is None else self._approved(read_approvals(self.approvals))
        self._file = file
        self._spent = 0
        self._sites: dict[str, Site] = {}
        self._plans: dict[tuple[str, Site, Site], Plan] = {}
        self._projectors: dict[Site, Projector] = {}

    def _claims(self, file: PolicyFile) -> Mapping[str, FieldPrivacy]:
        overlays = {
            name: Overlay(given.privacy, given.overrides) for name, given in self.policy.classifications.items()
        }
        try:
            said = claims(self.contract, overlays)
            self._check_conditions(overlays)
        except Misplaced as error:
            raise file.origin.fail(("classifications", error.field), self._hinted(error)) from error
        return said

    def _hinted(self, error: Misplaced) -> str:
        """Of a field that isn't there because its type isn't, what else that may mean."""
        here = any(error.field.startswith(f"{name}.") for name in self.contract.messages)
        return error.text if here else f"{error.text}; {elsewhere.SAY}"

    @cached_property
    def unread(self) -> frozenset[str]:
        """The fields whose annotations this gateway can't read in full, and which the policy doesn't classify instead."""
        return self.contract.unread - self.policy.classifications.keys()

    @cached_property
    def _conditions(self) -> frozenset[str]:
        """The fields whose category is a further condition on what they hold.

        Messages, `Any` and masks, by full name.
        """
        held = map(self.contract.message, self.contract.messages)
        fields = (field for message in held for field in self.contract.fields(message) if not is_map(field))
        return frozenset(field.full_name for field in fields if kind_of(field) in UNCATEGORISED)

    def _check_conditions(self, overlays: Mapping[str, Overlay]) -> None:
        """Without its condition, a message leaves more freely. Raises Misplaced."""
        for name, overlay in overlays.items():
            said = self.contract.annotations.get(name, FieldPrivacy()).category
            ends = overlay.privacy.category is Category.UNSPECIFIED is not said
            if ends and not overlay.overrides and name in self._conditions:
                raise Misplaced(name, "looser than its annotation; say `overrides: true` if that is meant")

    def _approved(self, recorded: Mapping[str, FieldPrivacy]) -> Mapping[str, FieldPrivacy]:
        """What counts. A condition that was recorded holds until its end is approved; one that is new holds at once."""
        conditions = {
            name: privacy for name, privacy in {**self.claims, **recorded}.items() if name in self._conditions
        }
        return {**conditions, **approved(self.claims, recorded)}

    @cached_property
    def flows(self) -> Mapping[str, tuple[str, ...]]:
        """The destinations of each flow's items, by the flow's key. Raises BadPolicy for a key that names nothing."""
        for key in self.policy.flows:
            self.item_type(key)
        return self.policy.flows

    def spend(self, count: int) -> None:
        """Count what is compiled and kept, field by field.

        Raises BadPolicy when it is more than one policy may come to.
        """
        self._spent += count
        self.check_count(self._spent)

    def check_count(self, count: int) -> None:
        """Raise BadPolicy if so many fields are more than one policy may come to."""
        if count > MAX_FIELDS_COMPILED:
            raise self._file.origin.fail(
                (), f"flows and routes lead more than {MAX_FIELDS_COMPILED} fields to destinations; {FEWER}"
            )

    def item_type(self, flow: str) -> str:
        """The type of a flow's items. Raises BadPolicy if no service, type or signal has this name."""
        if flow in BY_FLOW:
            return BY_FLOW[flow].item
        service, slash, method = flow.partition("/")
        if not slash and flow in self.contract.messages:
            if kind_of_message(self.contract.message(flow)) != "message":
                raise self._file.origin.fail(("flows", flow), NO_ITEM)
            return flow
        if service in SERVICES and (method == "*" or method in self._methods(service)):
            return SERVICES[service]
        raise self._file.origin.fail(
            ("flows", flow), "no contract has a message type, nor the gateway a service, of this name"
        )

    def _methods(self, service: str) -> Mapping[str, object]:
        methods: Mapping[str, object] = self.contract.pool.FindServiceByName(service).methods_by_name
        return methods

    def plans(self) -> Mapping[tuple[str, str], Plan]:
        """The plans of all flows, by type and destination. Raises BadPolicy or BadContract if one does not compile."""
        pairs = [
            (self.item_type(flow), destination)
            for flow, destinations in self.flows.items()
            for destination in destinations
        ]
        for type_, destination in pairs:
            self._check_exporter(type_, destination)
        return {pair: self.plan(*pair) for pair in pairs}

    def _check_exporter(self, type: str, destination: str) -> None:
        """Raises BadPolicy if the destination's exporter isn't told what to make of a type."""
        exporter = self.policy.destinations[destination].exporter
        for keys, text in outgoing.template_problems(exporter, type, self.contract, {one.name for one in self.absent}):
            raise self._file.origin.fail(("destinations", destination, "exporter", *keys), text)
        for keys, text in outgoing.reserved_key_problems(self.policy, exporter, f"{EVENT}.properties", self.contract):
            raise self._file.origin.fail(keys, text)

    def plan(self, type: str, destination: str) -> Plan:
        """The plan of a message type at a destination, in a flow or not.

        Raises KeyError if the contract or the policy doesn't know one of them, BadPolicy if a required field would be
        stripped, BadContract for a type that counts as a scalar.
        """
        return self.plan_at(type, self.site(destination))

    def plan_at(self, type: str, site: Site, keys: Keys = (), reader: Site | None = None) -> Plan:
        """The plan of a message type at a destination's site, or a caller's; the same object each time.

        `reader` is who gets the answer, if that is somebody else: it decides what a `read_mask` may ask for. Raises
        KeyError, BadPolicy and BadContract as `plan` does; BadPolicy names the line of `keys`, or of who the site is.
        """
        plan = self._plan_for(type, site, site, keys)
        if reader is None or not any(isinstance(rule, Mask) and rule.answer for rule in plan.rules):
            return plan
        return self._plan_for(type, site, reader, keys)

    def _plan_for(self, type: str, site: Site, reader: Site, keys: Keys) -> Plan:
        if (type, site, reader) not in self._plans:
            self._plans[type, site, reader] = self._compile(type, site, reader, keys)
        return self._plans[type, site, reader]

    @cached_property
    def table(self) -> Table:
        """The routes, and what each carries.

        Raises BadPolicy or BadContract for an unknown method, or one whose messages don't compile.
        """
        table = build(self.contract, self.policy.routes, self._file.origin, frozenset(one.keys for one in self.absent))
        for index, method in table.carried():
            self._check_types(method, table.place(index, method.path))
            self._check_plans(method, index)
        return table

    def _check_types(self, method: MethodPlan, keys: Keys) -> None:
        for name in (method.request, method.response):
            if kind_of_message(self.contract.message(name)) != "message":
                raise self._file.origin.fail(keys, f"{method.path}: {name} {NO_ITEM}")

    def _check_plans(self, method: MethodPlan, index: int) -> None:
        route = self.policy.routes[index]
        self.subject(method.request)
        self.subject(method.response)
        self.plan_at(method.request, self.site(route.destination), ("routes", index, "destination"))
        for name, caller in route.callers.items():
            site = self.caller_site(name, caller)
            self.plan_at(method.request, self.site(route.destination), ("routes", index, "destination"), site)
            self.plan_at(method.response, site, ("routes", index, "callers", name))

    def subject(self, type: str) -> SubjectPlan:
        """Where the subject of a message type stands. Raises KeyError, BadContract."""
        personal, business = self._mail
        return msgspec.structs.replace(
            subject_plan(self.contract, self.classes, type), personal=personal, business=business
        )

    @cached_property
    def _mail(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The policy's own mail domains."""
        return mail.domains(self.policy.personal_domains)

    def site(self, destination: str) -> Site:
        """A destination as judging needs it. Raises KeyError."""
        if destination not in self._sites:
            given = self.policy.destinations[destination]
            self._sites[destination] = self._site(destination, given.recipient, given)
        return self._sites[destination]

    def caller_site(self, name: str, caller: Caller) -> Site:
        """A caller of a route as judging needs it: a service."""
        return self._site(name, Recipient.SERVICE, caller)

    def _site(self, name: str, recipient: Recipient, given: Destination | Caller) -> Site:
        policy, allow = self.policy, given.allow & ceiling_of(self.policy, given.region)
        days = policy.timestamps.days_around_receipt if policy.timestamps else None
        return Site(
            name, recipient, given.region, allow, policy.user_id.pattern, days, policy.user_id.without, *self._mail
        )

    def projector(self, destination: str) -> Projector:
        """What a destination may get of every type. Raises KeyError."""
        return self.projector_at(self.site(destination))

    def projector_at(self, site: Site) -> Projector:
        """What may be had of every type at a destination's site, or a caller's."""
        if site not in self._projectors:
            self._projectors[site] = self._projector(site)
        return self._projectors[site]

    def _projector(self, site: Site) -> Projector:
        event = self.contract.message(EVENT).fields_by_name
        tracked = {event["properties"].full_name: properties(self.policy, event["name"].number, site)}
        return Projector(
            self.contract,
            {**status.classes(self.claims), **self.classes, **slots.CLASSES},
            site,
            {**slots.specials(self.policy, site), **tracked, **dict.fromkeys(self.unread, FieldReason.UNCLASSIFIED)},
            slots.REQUIRED,
        )

    def _place(self, site: Site) -> Keys:
        """Where the policy speaks of a site: as a destination, or as a route's caller."""
        if site in map(self.site, self.policy.destinations):
            return ("destinations", site.name)
        callers = (
            (index, name, caller)
            for index, route in enumerate(self.policy.routes)
            for name, caller in route.callers.items()
        )
        found = (
            ("routes", index, "callers", name)
            for index, name, caller in callers
            if self.caller_site(name, caller) == site
        )
        return next(found, ("routes",))

    def _compile(self, type: str, site: Site, reader: Site, keys: Keys) -> Plan:
        root, projector = self.contract.message(type), self.projector_at(site)
        if kind_of_message(root) != "message":
            raise BadContract(f"{type}: {NO_ITEM}")
        if stripped := projector.missing(root):
            raise self._file.origin.fail(keys or self._place(site), f"would strip {stripped}, which {type} requires")
        projection = Projection(projector, self.projector_at(reader))
        projection.add(root)
        projection.finish()
        anys: dict[str, int] = {}
        if Payload() in projection.rules:
            anys = {message.full_name: projection.add(message) for message in projector.carriable()}
            projection.finish()
        self.spend(sum(len(field.enum or ()) + 1 for message in projection.messages for field in message.fields))
        self.spend(sum(len(target.fields) for target in projection.targets))
        messages, rules = tuple(projection.messages), tuple(projection.rules)
        return Plan(VERSION, type, site.name, site.vendor, messages, rules, anys, projection.targets, DIGEST)
