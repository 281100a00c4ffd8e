"""What one destination gets of a message type, as a tree: each field, kept or stripped, and why.

Every answer is the projector's ruling, which plans are made of; none is worked out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.errors import FieldReason, Reason
from gateway.model import Category, FieldPrivacy
from gateway.plan import Attributes, Nested, Properties, Rule, Value
from gateway.policy import named_patterns
from gateway.policy.compile import Compiler
from gateway.policy.error_details import unclaimed_classifications
from gateway.policy.fields import is_map, map_entry, message_of_values, path_label, value_field
from gateway.policy.otlp import slots
from gateway.policy.project import WIRE_TYPES
from gateway.policy.projector import Ruling
from gateway.policy.rules import kind_of, kind_of_message, rule_for
from gateway.policy.tracking_plan import Event
from gateway.policy.value_rules import KIND_BY_TYPE
from gateway.policy.wording import reason_wording, rule_wording, value_wording

KEY: Final = "[key]"
"""The name of a map's keys, as a field below the map."""

MAX_TREE_LEVELS: Final = 100
"""How deep the tree is: the runtime reads no message that is deeper."""

_INSIDE: Final = "what is in it decides"
_DEEPER: Final = "deeper than messages are read"
_WHOLE: Final[Mapping[str, str]] = {"message": _INSIDE, "enum": "a value that its enum lists"}
"""What is kept without a rule, by kind, where that isn't the whole story."""


class Node(msgspec.Struct, frozen=True):
    """A field as one destination sees it, and the fields below it.

    `name` is the field's, with `[*]` where there are many; of a map it stands for the values, and the keys are a field
    below it. `key` is the field's full name, or where the policy speaks of it (`otlp.attributes.user.id`); at the root
    both are the type's name. `wording` tell the rule for its values, or the reason why it is stripped.
    `shown_above`: what is below it stands higher up in the tree. `rule` is that of its texts, where it has one.
    """

    name: str
    key: str
    type: str
    kept: bool
    wording: str
    reason: Reason | None = None
    category: Category = Category.UNSPECIFIED
    shown_above: bool = False
    children: tuple[Node, ...] = ()
    rule: Rule | None = None

    def walk(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """Yield all that is below the node, each before what is below it, with its path as receipts have it."""
        for child in self.children:
            here = path + child.name if child.name == KEY else ".".join(filter(None, (path, child.name)))
            yield here, child
            yield from child.walk(here)


def explain(compiler: Compiler, type: str, destination: str) -> Node:
    """What `destination` gets of message type `type`. Raises KeyError if the contract or the policy doesn't know it."""
    root = compiler.contract.message(type)
    children = FieldExplainer(compiler, destination, root).message(root)
    kept = any(child.kept for child in children)
    reason = None if kept else FieldReason.NOTHING_ALLOWED
    return Node(
        type, type, "message", kept, _INSIDE if reason is None else reason_wording(reason), reason, children=children
    )


class FieldExplainer:
    """Tells of one destination. `_shown` are the types, and the parts of the policy, that stand in the tree already.

    A type's fields are told once, where it stands highest in the tree, so that the tree is no deeper than it must be.
    """

    def __init__(self, compiler: Compiler, destination: str, root: Descriptor) -> None:
        self._compiler = compiler
        self._contract = compiler.contract
        self._policy = compiler.policy
        self._pattern_names = named_patterns.names_by_pattern(compiler.policy.patterns)
        self._claims = compiler.claims
        self._classifications = {
            **unclaimed_classifications(compiler.claims),
            **compiler.classifications,
            **slots.CLASSIFICATIONS,
        }
        self._terms = compiler.terms_for(root.full_name, compiler.terms(destination))
        self._projector = compiler.projector(root.full_name, destination)
        self._shown: set[str] = set()
        self._depth = 0
        self._depths = self._depths_below(root)

    def _depths_below(self, root: Descriptor) -> Mapping[str, int]:
        """How high in the tree each type stands that has its fields told."""
        depths, level, count = {root.full_name: 0}, [root], 0
        while level:
            count += sum(len(self._contract.fields(message)) for message in level)
            self._compiler.check_count(count)
            depth = depths[level[0].full_name] + 1
            fields = (field for message in level for field in self._contract.fields(message))
            below = {
                target.full_name: target
                for target in map(self._shown_type, fields)
                if target is not None and target.full_name not in depths
            }
            level = [] if depth > MAX_TREE_LEVELS else [*below.values()]
            depths |= dict.fromkeys(below, depth)
        return depths

    def message(self, message: Descriptor) -> tuple[Node, ...]:
        """The nodes of a type's fields."""
        self._shown.add(message.full_name)
        self._depth += 1
        nodes = tuple(map(self._field, self._contract.fields(message)))
        self._depth -= 1
        return nodes

    def _field(self, field: FieldDescriptor) -> Node:
        ruling = self._projector.ruling(field)
        match ruling:
            case Attributes():
                return self._keyed_field(field, ruling, "otlp.attributes", self._attributes(ruling))
            case Properties():
                return self._keyed_field(field, ruling, "tracking_plan", self._events(ruling))
        if is_map(field) and (ruling is None or ruling is FieldReason.MAP_KEY_NOT_ALLOWED):
            return self._map(field, ruling)
        return self._opened_node(field, ruling)

    def _keyed_field(self, field: FieldDescriptor, ruling: Ruling, part: str, children: Iterator[Node]) -> Node:
        if part in self._shown:
            return self._node(field, ruling, above=True)
        self._shown.add(part)
        return self._node(field, ruling, tuple(children))

    def _map(self, field: FieldDescriptor, ruling: Ruling) -> Node:
        key, value = self._projector.map_rulings(field)
        category = self._classifications.get(field.full_name, FieldPrivacy()).map_key
        reason, words = self._reason_and_wording(key, category)
        node = Node(KEY, f"{field.full_name}{KEY}", _type(map_entry(field)[0]), reason is None, words, reason, category)
        if ruling is not None:
            return self._node(field, ruling, (node,))
        opened = self._opened_node(field, value)
        return msgspec.structs.replace(opened, children=(node, *opened.children))

    def _opened_node(self, field: FieldDescriptor, ruling: Ruling) -> Node:
        """The node of a field with the fields of the message that it holds, if they matter."""
        message = _shown_message(field, ruling)
        if message is None:
            return self._node(field, ruling)
        name = message.full_name
        if self._depth > MAX_TREE_LEVELS:
            return msgspec.structs.replace(self._node(field, ruling), wording=_DEEPER)
        if name in self._shown or self._depths[name] < self._depth:
            return self._node(field, ruling, above=True)
        return self._node(field, ruling, self.message(message))

    def _shown_type(self, field: FieldDescriptor) -> Descriptor | None:
        """The type whose fields are told below a field."""
        ruling = self._projector.ruling(field)
        if isinstance(ruling, (Attributes, Properties)):
            return None
        if is_map(field) and ruling is None:
            ruling = self._projector.map_rulings(field)[1]
        return None if is_map(field) and ruling is FieldReason.MAP_KEY_NOT_ALLOWED else _shown_message(field, ruling)

    def _node(
        self, field: FieldDescriptor, ruling: Ruling, children: tuple[Node, ...] = (), *, above: bool = False
    ) -> Node:
        name, category = field.full_name, self._classifications.get(field.full_name, FieldPrivacy()).category
        reason, words = self._reason_and_wording(ruling, category)
        claim = self._claims.get(name, FieldPrivacy()).category
        if reason is FieldReason.UNCLASSIFIED and claim is not category:
            words = f"{claim.name}, which is not approved"
        elif ruling is None:
            words = _WHOLE.get(kind_of(value_field(field)), words)
        rule = None if isinstance(ruling, Reason) else ruling
        return Node(
            path_label(field), name, _type(field), reason is None, words, reason, category, above, children, rule
        )

    def _attributes(self, rule: Attributes) -> Iterator[Node]:
        for key in self._policy.otlp.attributes:
            wild = key.endswith(".*")
            privacy = self._policy.otlp.privacy(key)
            ruling = rule_for("string", privacy, self._terms)
            node = Node(key, f"otlp.attributes.{key}", "attribute", kept=False, wording="", category=privacy.category)
            yield self._outcome(node, rule.prefixes.get(key.removesuffix("*")) if wild else rule.exact.get(key), ruling)

    def _events(self, rule: Properties) -> Iterator[Node]:
        for name, event in self._policy.tracking_plan.items():
            children = tuple(self._properties(f"tracking_plan.{name}.properties", event, rule.events[name]))
            yield Node(
                name, f"tracking_plan.{name}", "event", kept=True, wording="an event that exists", children=children
            )

    def _properties(self, key: str, event: Event, kept: Mapping[str, Value]) -> Iterator[Node]:
        for name, given in event.properties.items():
            node = Node(name, f"{key}.{name}", given.kind.value, kept=False, wording="", category=given.category)
            yield self._outcome(node, kept.get(name), rule_for(KIND_BY_TYPE[given.kind], given.privacy, self._terms))

    def _outcome(self, node: Node, kept: Value | None, ruling: Ruling) -> Node:
        """An attribute or a property with what became of it; `ruling` says why nothing is `kept`."""
        if kept is not None and kept != Value():
            wording = value_wording(kept, self._pattern_names)
            return msgspec.structs.replace(node, kept=True, wording=wording, rule=kept.string)
        reason = ruling if isinstance(ruling, Reason) else FieldReason.WRONG_KIND
        return msgspec.structs.replace(node, reason=reason, wording=_reason_text(reason, node.category))

    def _reason_and_wording(self, ruling: Ruling, category: Category) -> tuple[Reason | None, str]:
        return (
            (ruling, _reason_text(ruling, category))
            if isinstance(ruling, Reason)
            else (None, rule_wording(ruling, self._pattern_names))
        )


def _shown_message(field: FieldDescriptor, ruling: Ruling) -> Descriptor | None:
    """The type of the message that a field holds, if its fields matter under this ruling on the field."""
    message = message_of_values(field)
    shut = ruling is not None and ruling is not FieldReason.NOTHING_ALLOWED and not isinstance(ruling, Nested)
    return None if shut or message is None or kind_of_message(message) != "message" else message


def _reason_text(reason: Reason, category: Category) -> str:
    named = reason is FieldReason.CATEGORY_NOT_ALLOWED and category is not Category.UNSPECIFIED
    return f"{category.name} is not allowed here" if named else reason_wording(reason)


def _type(field: FieldDescriptor) -> str:
    if is_map(field):
        key, value = map(_type, map_entry(field))
        return f"map<{key}, {value}>"
    named = field.message_type or field.enum_type
    name = named.full_name if named else WIRE_TYPES[field.type]
    return f"repeated {name}" if field.is_repeated else name
