"""Where items of the signals name their workspace: in the attribute that the policy says, nearest to the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.contract import Contract, message_of
from gateway.model import Category
from gateway.otlp.signals import LOGS, METRICS, TRACES
from gateway.plan import AttributePlan
from gateway.policy.document import Otlp
from gateway.policy.field_paths import Path, numbers, project_paths
from gateway.yamlfile import Problem, unknown_name_text

_POINTS: Final = ("gauge", "sum", "histogram", "exponential_histogram", "summary")

LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    LOGS.item: ("scope_logs.log_records.attributes", "scope_logs.scope.attributes", "resource.attributes"),
    TRACES.item: ("scope_spans.spans.attributes", "scope_spans.scope.attributes", "resource.attributes"),
    METRICS.item: (
        *(f"scope_metrics.metrics.{kind}.data_points.attributes" for kind in _POINTS),
        "scope_metrics.scope.attributes",
        "resource.attributes",
    ),
}
"""The lists of attributes of each signal's items, those of the record first: what it says itself counts."""

_AS_BYTES: Final[Mapping[int, str]] = {FieldDescriptor.TYPE_MESSAGE: "bytes"}
"""How an attribute is read: most of them are another one."""


def workspace_attribute(contract: Contract, type: str, key: str) -> AttributePlan | None:
    """Where items of a type say the attribute `key`; None where they have no attributes, or no key is given."""
    if not key or type not in LISTS:
        return None
    root = contract.message(type)
    lists = [_path(root, dotted) for dotted in LISTS[type]]
    return AttributePlan(key, project_paths(root, lists, _AS_BYTES), tuple(map(numbers, lists)))


def problems(otlp: Otlp) -> Iterator[Problem]:
    """Yield what is wrong with the attribute that names the workspace."""
    key, place = otlp.workspace, ("otlp", "workspace")
    if not key:
        return
    if key.endswith(".*") or key not in otlp.attributes:
        exact = [name for name in otlp.attributes if not name.endswith(".*")]
        yield place, f"must be an exact key of `attributes`, beside it; {unknown_name_text(key, exact)}"
    elif (held := otlp.privacy(key)).category is not Category.OPERATIONAL:
        yield place, f"is {held.category.name}: what names a workspace is OPERATIONAL, and says nothing of a person"
    elif held.bounded:
        yield place, "is a number by its min and max: a string names a workspace"


def _path(root: Descriptor, dotted: str) -> Path:
    head, _, rest = dotted.partition(".")
    field = root.fields_by_name[head]
    return (field, *_path(message_of(field), rest)) if rest else (field,)
