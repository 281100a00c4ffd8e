"""What must hold between an exporter's templates, the contract, and the tracking plan.

What must hold of an exporter's settings by themselves: `exporters/settings.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.contracts.contract import Contract
from gateway.exporters.registry import ExporterSettings
from gateway.exporters.settings import TemplateSettings
from gateway.exporters.template.body_schema import ReservedKeys
from gateway.exporters.template.checks import is_whole_field, message_problems
from gateway.policy.document import Policy
from gateway.yamlfile import Problem


def template_problems(
    exporter: ExporterSettings, type: str, contract: Contract, absent: Collection[str] = ()
) -> Iterator[Problem]:
    """What keeps items of a type from going to an exporter: the keys, from the exporter's, and why.

    `absent`: types of other contracts.
    """
    if not isinstance(exporter, TemplateSettings):
        return
    if type not in exporter.items:
        yield ("items",), f"has no entry for {type}, which a flow leads here"
    for name, template in exporter.items.items():
        if name in absent:
            continue
        if name not in contract.messages:
            yield ("items", name), "no contract has a message type of this name"
            continue
        found = message_problems(template, exporter.BODY, contract.message(name))
        yield from ((("items", name, *at), text) for at, text in found)


def reserved_key_problems(
    policy: Policy, exporter: ExporterSettings, planned: str, contract: Contract
) -> Iterator[Problem]:
    """The tracking plan's properties that an exporter would write in the place of a vendor's own.

    `planned` is the full name of the field that holds an event's properties. The exporter has no `template_problems`.
    """
    if not isinstance(exporter, TemplateSettings):
        return
    for name, template in exporter.items.items():
        if name not in contract.messages:
            continue
        message = contract.message(name)
        for field, reserved in exporter.BODY.reserved.items():
            if is_whole_field(template.get(field), planned, message):
                yield from (
                    (keys, f"is a key of {exporter.kind}'s own, which no item may write")
                    for keys in _reserved_properties(policy, reserved)
                )


def _reserved_properties(policy: Policy, reserved: ReservedKeys) -> Iterator[tuple[str, ...]]:
    for event, held in policy.tracking_plan.items():
        yield from (("tracking_plan", event, "properties", name) for name in held.properties if reserved.contains(name))
