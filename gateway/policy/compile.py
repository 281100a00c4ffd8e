"""Contract × policy → plans. The only maker of plans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final

import msgspec

from gateway.contracts.approvals import read_approvals
from gateway.contracts.contract import Contract
from gateway.detectors.data import DIGEST
from gateway.errors import BadContract, FieldReason
from gateway.model import EU, Recipient
from gateway.otlp.signals import BY_FLOW
from gateway.plan import VERSION, Mask, MethodPlan, Plan, SubjectPlan
from gateway.policy import personal_domains
from gateway.policy.backed_up import backed_up_types
from gateway.policy.claims import Claims
from gateway.policy.document import Caller, Destination, Mode
from gateway.policy.echo import WordSources
from gateway.policy.elsewhere import split_policy
from gateway.policy.error_details import unclaimed_classifications
from gateway.policy.exporter_checks import reserved_key_problems, template_problems
from gateway.policy.item_types import EVENT_TYPE, ITEM_TYPE_BY_SERVICE, log_types
from gateway.policy.load import PolicyFile
from gateway.policy.log_destinations import LOG_ALLOW_TEXT, LOG_REGION_TEXT, LOG_REGIONS, terms_of_log
from gateway.policy.method_table import MethodTable, build_method_table
from gateway.policy.open_patterns import OpenPattern, open_patterns
from gateway.policy.otlp import slots
from gateway.policy.otlp.workspace import workspace_attribute
from gateway.policy.plan_bodies import PlanBodies, PlanBody
from gateway.policy.projector import Projector
from gateway.policy.residency import ceiling_of
from gateway.policy.rules import RecipientTerms, kind_of_message
from gateway.policy.subject import subject_plan
from gateway.policy.value_rules import property_rules
from gateway.yamlfile import Keys, Problem

MAX_FIELDS_COMPILED: Final = 2_000_000
"""Fields, and numbers of enums, of all plans of one policy together.

A type's plan holds all that it leads to, for each destination; where two plans hold the same it is counted once.
"""

NAME_FEWER: Final = "name fewer of them, or types that lead to less"

NOT_AN_ITEM: Final = "is a value, classified at the field that holds it; it can't be an item"

NO_BACKUP_GATE: Final = (
    "say `gates: [backup]`: a company's projects go where it has switched backup on, and nowhere else"
)

NO_SHADOW_FOR_PROJECTS: Final = "a company's projects go where it has switched backup on, and in shadow all passes"


_PlanKey = tuple[str, RecipientTerms, RecipientTerms]
"""A type, who gets items of it, and who gets the answer."""


class Compiler:
    """Makes the plans of one contract under one policy, each when first asked for, and the same each time.

    `policy` is what of it is about this contract, `full_policy` all of it, `absent` what is about others.
    `types_as_annotated` are types whose annotations count though nobody approved them.
    """

    def __init__(self, contract: Contract, file: PolicyFile) -> None:
        """Raises BadContract or BadPolicy if the policy's classifications or approvals don't fit the contract."""
        self.contract = contract
        self.full_policy = file.policy
        self.policy, self.absent = split_policy(contract, file.policy)
        reader = Claims(contract, self.policy, file.origin)
        self.claims = reader.claimed
        self.unreadable_fields = reader.unreadable_fields
        self.is_builtin_policy = file.is_builtin
        self.types_as_annotated = reader.types_as_annotated if file.is_builtin else frozenset()
        self.classifications = (
            self.claims
            if file.approvals is None
            else reader.approved(read_approvals(file.approvals), self.types_as_annotated)
        )
        self._file = file
        self._compiled_count = 0
        self._terms: dict[str, RecipientTerms] = {}
        self._plans: dict[_PlanKey, Plan] = {}
        self._bodies: dict[_PlanKey, PlanBody] = {}
        self._closed: set[_PlanKey] = set()
        self._projectors: dict[RecipientTerms, Projector] = {}
        self._subjects: dict[str, SubjectPlan] = {}

    @cached_property
    def flows(self) -> Mapping[str, tuple[str, ...]]:
        """The destinations of each flow's items, by the flow's key. Raises BadPolicy for a key that names nothing."""
        for key in self.policy.flows:
            self.item_type(key)
        return self.policy.flows

    def count_compiled(self, count: int) -> None:
        """Count what is compiled and kept, field by field.

        Raises BadPolicy when it is more than one policy may come to.
        """
        self._compiled_count += count
        self.check_count(self._compiled_count)

    def check_count(self, count: int) -> None:
        """Raise BadPolicy if so many fields are more than one policy may come to."""
        if count > MAX_FIELDS_COMPILED:
            raise self._file.origin.error_at(
                (), f"flows and routes lead more than {MAX_FIELDS_COMPILED} fields to destinations; {NAME_FEWER}"
            )

    def item_type(self, flow: str) -> str:
        """The type of a flow's items. Raises BadPolicy if no service, type or signal has this name."""
        if flow in BY_FLOW:
            return BY_FLOW[flow].item
        service, slash, method = flow.partition("/")
        if not slash and flow in self.contract.messages:
            if kind_of_message(self.contract.message(flow)) != "message":
                raise self._file.origin.error_at(("flows", flow), NOT_AN_ITEM)
            return flow
        if service in ITEM_TYPE_BY_SERVICE and (method == "*" or method in self._methods(service)):
            return ITEM_TYPE_BY_SERVICE[service]
        raise self._file.origin.error_at(
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
        for keys, text in template_problems(exporter, type, self.contract, {one.name for one in self.absent}):
            raise self._file.origin.error_at(("destinations", destination, "exporter", *keys), text)
        for keys, text in reserved_key_problems(self.policy, exporter, f"{EVENT_TYPE}.properties", self.contract):
            raise self._file.origin.error_at(keys, text)

    def plan(self, type: str, destination: str) -> Plan:
        """The plan of a message type at a destination, in a flow or not.

        Raises KeyError if the contract or the policy doesn't know one of them, BadPolicy if a required field would be
        stripped or a pattern lets something personal leave the EU, BadContract for a type that counts as a scalar.
        """
        return self.plan_for(type, self.terms(destination))

    def plan_for(self, type: str, terms: RecipientTerms, keys: Keys = (), reader: RecipientTerms | None = None) -> Plan:
        """The plan of a message type for a destination or a caller; the same object each time.

        `reader` is who gets the answer, if that is somebody else: it decides what a `read_mask` may ask for. Raises
        KeyError, BadPolicy and BadContract as `plan` does; BadPolicy names the line of `keys`, or the recipient's.
        """
        plan = self._cached_plan(type, terms, terms, keys)
        if reader is None or not any(isinstance(rule, Mask) and rule.answer for rule in plan.rules):
            return plan
        return self._cached_plan(type, terms, reader, keys)

    def _cached_plan(self, type: str, terms: RecipientTerms, reader: RecipientTerms, keys: Keys) -> Plan:
        plan = self._unchecked_plan(type, terms, reader, keys)
        if terms.outside_eu and (place := (type, terms.nameless, reader.nameless)) not in self._closed:
            self._file.origin.check(self._problems_of_pattern(found, terms, keys) for found in _open(plan, terms))
            self._closed.add(place)
        return plan

    def _unchecked_plan(self, type: str, terms: RecipientTerms, reader: RecipientTerms, keys: Keys = ()) -> Plan:
        if (type, terms, reader) not in self._plans:
            self._check_place(type, terms, keys)
            self._plans[type, terms, reader] = self._compile(type, terms, reader, keys)
        return self._plans[type, terms, reader]

    def _check_place(self, type: str, terms: RecipientTerms, keys: Keys) -> None:
        """Raises BadPolicy if items of a type are a log's, and none may stand where a recipient does."""
        if type in self._log_types and terms.region not in LOG_REGIONS:
            text = f"{LOG_REGION_TEXT}; {terms.name} is in {terms.region}, and what is a {type} is a log's wherever it is led"
            raise self._file.origin.error_at(keys or (*self._keys_of(terms), "region"), text)

    def open_patterns(self, type: str, destination: str) -> tuple[OpenPattern, ...]:
        """The patterns of a type that let something personal pass to a destination outside the EU.

        A plan with one does not compile. Raises KeyError, BadPolicy and BadContract as `plan` does of all else.
        """
        terms = self.terms(destination)
        return tuple(_open(self._unchecked_plan(type, terms, terms), terms)) if terms.outside_eu else ()

    def _problems_of_pattern(self, found: OpenPattern, terms: RecipientTerms, keys: Keys) -> Problem:
        """At the policy's key; where a contract says the pattern, at what leads there."""
        place = f"{terms.name}, in {terms.region}, {found.text}"
        if len(found.keys) > 1:
            return found.keys, f"at {place}"
        (field,) = map(str, found.keys)
        if field in self.policy.classifications:
            return ("classifications", field), f"at {place}"
        return keys or self._keys_of(terms), f"{field}: the {found.noun} of its annotation, at {place}"

    @cached_property
    def method_table(self) -> MethodTable:
        """The routes, and what each carries.

        Raises BadPolicy or BadContract for an unknown method, or one whose messages don't compile.
        """
        table = build_method_table(
            self.contract, self.policy.routes, self._file.origin, frozenset(one.keys for one in self.absent)
        )
        for index, method in table.route_methods():
            self._check_types(method, table.keys_of(index, method.path))
            self._check_mode(method, index)
            self._check_plans(method, index)
        return table

    def _check_types(self, method: MethodPlan, keys: Keys) -> None:
        for name in (method.request, method.response):
            if kind_of_message(self.contract.message(name)) != "message":
                raise self._file.origin.error_at(keys, f"{method.path}: {name} {NOT_AN_ITEM}")

    def _check_mode(self, method: MethodPlan, index: int) -> None:
        """Raises BadPolicy if a call with a log's items, or with a project to back up, would pass as it is."""
        if self.policy.routes[index].mode is not Mode.SHADOW:
            return
        found = {method.request, method.response} & self._log_types
        if found:
            text = f"must be enforce: {method.path} carries {min(found)}, which is a log's; {LOG_ALLOW_TEXT}"
        elif method.request in self._backed_up:
            text = f"must be enforce: {method.path}: {NO_SHADOW_FOR_PROJECTS}"
        else:
            return
        raise self._file.origin.error_at(("routes", index, "mode"), text)

    def _check_plans(self, method: MethodPlan, index: int) -> None:
        route = self.policy.routes[index]
        self.subject(method.request)
        self.subject(method.response)
        self.plan_for(method.request, self.terms(route.destination), ("routes", index, "destination"))
        for name, caller in route.callers.items():
            terms = self.caller_terms(name, caller)
            self.plan_for(method.request, self.terms(route.destination), ("routes", index, "destination"), terms)
            self.plan_for(method.response, terms, ("routes", index, "callers", name))

    @cached_property
    def _backed_up(self) -> frozenset[str]:
        """The types that bring a project, whatever leaves of it."""
        return backed_up_types(self.contract)

    def subject(self, type: str) -> SubjectPlan:
        """Where the subject of a message type stands. Raises KeyError, BadContract."""
        if type not in self._subjects:
            personal, business = self._mail_domains
            self._subjects[type] = msgspec.structs.replace(
                subject_plan(self.contract, self.classifications, type),
                personal=personal,
                business=business,
                workspace_attribute=workspace_attribute(self.contract, type, self.policy.otlp.workspace),
            )
        return self._subjects[type]

    @cached_property
    def _mail_domains(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The policy's own mail domains."""
        return personal_domains.added_and_removed(self.policy.personal_domains)

    def terms(self, destination: str) -> RecipientTerms:
        """A destination as judging needs it. Raises KeyError."""
        if destination not in self._terms:
            given = self.policy.destinations[destination]
            self._terms[destination] = self._make_terms(destination, given.recipient, given)
        return self._terms[destination]

    def caller_terms(self, name: str, caller: Caller) -> RecipientTerms:
        """A caller of a route as judging needs it: a service."""
        return self._make_terms(name, Recipient.SERVICE, caller)

    def _make_terms(self, name: str, recipient: Recipient, given: Destination | Caller) -> RecipientTerms:
        policy, allow = self.policy, given.allow & ceiling_of(self.policy, given.region)
        days = policy.timestamps.days_around_receipt if policy.timestamps else None
        return RecipientTerms(
            name,
            recipient,
            given.region,
            allow,
            policy.user_id.pattern,
            days,
            policy.user_id.without,
            *self._mail_domains,
            policy.identifiers,
            recipient is Recipient.LOG or given.region not in EU,
            tuple(sorted(given.gates)) if isinstance(given, Destination) else None,
        )

    def terms_for(self, type: str, terms: RecipientTerms) -> RecipientTerms:
        """A recipient as judging items of a type needs it: what is a log's by its type is judged as a log's."""
        return terms_of_log(terms) if type in self._log_types else terms

    @cached_property
    def _log_types(self) -> frozenset[str]:
        return log_types(self.contract)

    def projector(self, type: str, destination: str) -> Projector:
        """What a destination may get of items of a type. Raises KeyError."""
        return self.projector_for(type, self.terms(destination))

    def projector_for(self, type: str, terms: RecipientTerms) -> Projector:
        """What a destination or a caller may get of items of a type."""
        return self._projector_by(self.terms_for(type, terms).nameless)

    def _projector_by(self, terms: RecipientTerms) -> Projector:
        """`terms` have no name: what differs in nothing else is projected once."""
        if terms not in self._projectors:
            self._projectors[terms] = self._make_projector(terms)
        return self._projectors[terms]

    def _make_projector(self, terms: RecipientTerms) -> Projector:
        event = self.contract.message(EVENT_TYPE).fields_by_name
        tracked = {event["properties"].full_name: property_rules(self.policy, event["name"].number, terms)}
        # What is a log's is judged as one, and in an `Any` goes to logs alone: nobody else needs rules for its slots.
        telemetry = slots.field_rules(self.policy, terms) if terms == terms_of_log(terms) else {}
        return Projector(
            self.contract,
            {**unclaimed_classifications(self.claims), **self.classifications, **slots.CLASSIFICATIONS},
            terms,
            {**telemetry, **tracked, **dict.fromkeys(self.unreadable_fields, FieldReason.UNCLASSIFIED)},
            slots.REQUIRED,
        )

    def _keys_of(self, terms: RecipientTerms) -> Keys:
        """Where the policy speaks of a recipient: as a destination, or as a route's caller."""
        if terms in map(self.terms, self.policy.destinations):
            return ("destinations", terms.name)
        callers = (
            (index, name, caller)
            for index, route in enumerate(self.policy.routes)
            for name, caller in route.callers.items()
        )
        found = (
            ("routes", index, "callers", name)
            for index, name, caller in callers
            if self.caller_terms(name, caller) == terms
        )
        return next(found, ("routes",))

    def _compile(self, type: str, terms: RecipientTerms, reader: RecipientTerms, keys: Keys) -> Plan:
        place = (type, terms.nameless, reader.nameless)
        if place not in self._bodies:
            self._bodies[place] = self._compile_body(type, terms, reader, keys)
        body = self._bodies[place]
        return Plan(
            VERSION,
            type,
            terms.name,
            terms.is_vendor,
            body.messages,
            body.rules,
            body.anys,
            body.targets,
            DIGEST,
            body.person,
            terms.gates or (),
        )

    def _compile_body(self, type: str, terms: RecipientTerms, reader: RecipientTerms, keys: Keys) -> PlanBody:
        """Compile what all recipients of equal terms have in common. Raises as `plan_for`; errors name this one."""
        root, projector = self.contract.message(type), self.projector_for(type, terms)
        if kind_of_message(root) != "message":
            raise BadContract(f"{type}: {NOT_AN_ITEM}")
        if stripped := projector.missing_required(root):
            raise self._file.origin.error_at(
                keys or self._keys_of(terms), f"would strip {stripped}, which {type} requires"
            )
        if projector.lacks_gate(root):
            raise self._file.origin.error_at(
                (*self._keys_of(terms), "gates"), f"gets content of {type}; {NO_BACKUP_GATE}"
            )
        return self._plan_bodies.body(root, projector, self.projector_for(type, reader), terms.user_id)

    @cached_property
    def _plan_bodies(self) -> PlanBodies:
        """Items name their persons where the contract's types say names and addresses, whether approved or not."""
        words = WordSources(self.contract, {**self.claims, **self.classifications}, self.policy)
        return PlanBodies(words, self.count_compiled)


def _open(plan: Plan, terms: RecipientTerms) -> Iterator[OpenPattern]:
    return open_patterns(plan, terms.identifiers)
