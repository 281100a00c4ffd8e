"""What a change of policy says of recipients, flows and routes themselves.

The fields that follow from it are compared elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

import msgspec

from gateway.detectors.mail_domains import is_personal_domain
from gateway.policy import named_patterns, personal_domains
from gateway.policy.compile import Compiler
from gateway.policy.document import (
    Caller,
    Destination,
    PersonalDomains,
    Policy,
    Route,
    UserId,
)
from gateway.policy.flow_targets import absent_targets, method_targets
from gateway.policy.review.changes import Change, Effect
from gateway.policy.review.exporter_changes import exporter_changes
from gateway.policy.review.workspaces import workspace_changes
from gateway.policy.wording import classification_wording, list_change, printable, shortlist

WHOLE_KEYS: Final = ("controller", "timestamps")
"""Keys of the policy that are compared as they are."""

DUTY_KEYS: Final = ("purpose", "legal_basis", "retention")
"""What a destination promises, beside what it gets: data that was given for one purpose goes to no other unseen."""

CALL_KEYS: Final = ("plaintext", "timeout", "retry", "wait_for_ready", "max_message_bytes")
"""How a route's calls go, whatever they hold."""

ONE_DAY: Final = timedelta(days=1)


def setting_changes(old: Compiler, new: Compiler) -> Iterator[Change]:
    """What changed, key by key. Raises BadPolicy if a flow names nothing."""
    was, now = old.full_policy, new.full_policy
    yield from _user_id(was.user_id, now.user_id)
    yield from _identifiers(was.identifiers, now.identifiers)
    yield from _patterns(was, now)
    yield from _mail_domains(was.personal_domains, now.personal_domains)
    for key in WHOLE_KEYS:
        if getattr(was, key) != getattr(now, key):
            yield Change(Effect.NOTED, key, "changed")
    yield from _approvals(was.approvals, now.approvals)
    yield from _flows(old, new)
    yield from _routes(was.routes, now.routes)
    for region in sorted({*was.ceilings, *now.ceilings}):
        yield from _lists(f"ceilings.{region}", was.ceilings.get(region, ()), now.ceilings.get(region, ()))
    for region in sorted({*was.hosts, *now.hosts}):
        yield from _hosts(region, was.hosts.get(region, frozenset()), now.hosts.get(region, frozenset()))
    for name in sorted({*was.destinations, *now.destinations}):
        yield from _destination(
            name,
            was.destinations.get(name),
            now.destinations.get(name),
            used=name in _used_destinations(was) & _used_destinations(now),
        )
    yield from workspace_changes(old, new)
    yield from _overrides(old, new)
    yield from _absent_field_changes(old, new)


def _approvals(was: str | None, now: str | None) -> Iterator[Change]:
    """Whether what annotations say counts by itself: without a file of approvals all of it does, now and later."""
    if was and not now:
        text = f"no longer names {printable(was)}: all that contracts annotate counts, though nobody approved it"
        yield Change(Effect.RELEASED, "approvals", text)
    elif was != now:
        yield Change(Effect.NOTED, "approvals", "changed")


def _user_id(was: UserId, now: UserId) -> Iterator[Change]:
    """What counts as a user's identifier, and what isn't looked for in one."""
    if was.pattern != now.pattern:
        text = f"was: {printable(was.pattern)}; now: {printable(now.pattern)}; other values pass as user IDs"
        yield Change(Effect.RELEASED, "user_id.pattern", text)
    for effect, verb, more in (
        (Effect.RELEASED, "no longer", set(now.without) - set(was.without)),
        (Effect.WITHHELD, "again", set(was.without) - set(now.without)),
    ):
        if more:
            yield Change(effect, "user_id.without", f"{shortlist(sorted(more))} {verb} looked for in user IDs")


def _identifiers(was: Collection[str], now: Collection[str]) -> Iterator[Change]:
    """Which patterns may leave the EU, whatever fits them."""
    for effect, text, patterns in (
        (Effect.RELEASED, "values of {} may leave the EU", [one for one in now if one not in was]),
        (Effect.WITHHELD, "values of {} may no longer leave the EU", [one for one in was if one not in now]),
    ):
        for pattern in patterns:
            yield Change(effect, "identifiers", text.format(printable(pattern)))


def _patterns(was: Policy, now: Policy) -> Iterator[Change]:
    """Named patterns that are others now, each once.

    What they let through that they didn't is told of each field that has one.
    """
    for name in sorted(named_patterns.redefined(was.patterns, now.patterns)):
        old, new = was.patterns[name], now.patterns[name]
        fields = ", ".join(dict.fromkeys((*named_patterns.keys_using(was, old), *named_patterns.keys_using(now, new))))
        yield Change(Effect.NOTED, f"patterns.{name}", f"was: {printable(old)}; now: {printable(new)}; in {fields}")


def _mail_domains(was: PersonalDomains, now: PersonalDomains) -> Iterator[Change]:
    """Which addresses count as business ones that didn't, and the reverse.

    A domain counts for those below it, so those are asked too.
    """
    old, new = personal_domains.own_domains(was), personal_domains.own_domains(now)
    told = {
        name: [(is_personal_domain(at, old), is_personal_domain(at, new)) for at in (name, f"_.{name}")]
        for name in sorted({*old, *new})
    }
    freed = [name for name, pairs in told.items() if (True, False) in pairs]
    barred = [name for name, pairs in told.items() if (False, True) in pairs]
    if freed:
        yield Change(Effect.RELEASED, "personal_domains", f"addresses of {shortlist(freed)} pass as business ones")
    if barred:
        yield Change(Effect.WITHHELD, "personal_domains", f"addresses of {shortlist(barred)} are personal")
    if was != now and not freed and not barred:
        yield Change(Effect.NOTED, "personal_domains", "changed")


def _flows(old: Compiler, new: Compiler) -> Iterator[Change]:
    was, now = (method_targets(one) | absent_targets(one) for one in (old, new))
    for flow, destination in sorted(now - was):
        yield Change(Effect.RELEASED, f"flows.{flow}", f"now leads to {destination}", destination)
    for flow, destination in sorted(was - now):
        yield Change(Effect.WITHHELD, f"flows.{flow}", f"no longer leads to {destination}", destination)


def _routes(was: Iterable[Route], now: Iterable[Route]) -> Iterator[Change]:
    """A route whose calls go elsewhere, otherwise, or are others is another one."""
    old, new = ({_route_key(route): route for route in routes} for routes in (was, now))
    for leads in dict.fromkeys((*new, *old)):
        yield from _changed_route(old.get(leads), new.get(leads))


def _route_key(route: Route) -> tuple[object, ...]:
    return (route.listener, route.authority, route.methods, route.upstream, route.destination, route.mode)


def _changed_route(was: Route | None, now: Route | None) -> Iterator[Change]:
    for route, before, effect, verb in (
        (now, was, Effect.RELEASED, "a route"),
        (was, now, Effect.WITHHELD, "no longer a route"),
    ):
        if route is not None and before is None:
            yield Change(effect, f"routes.{route.authority}", f"{verb} to {_route(route)}", route.destination)
    if was is not None and now is not None:
        yield from _callers(f"routes.{now.authority}", was.callers, now.callers)
        for key in CALL_KEYS:
            if getattr(was, key) != getattr(now, key):
                yield Change(Effect.NOTED, f"routes.{now.authority}.{key}", "changed", now.destination)


def _callers(key: str, was: Mapping[str, Caller], now: Mapping[str, Caller]) -> Iterator[Change]:
    """Who may ask. To give a caller's answers to another region is to release them there."""
    for name in sorted({*was, *now}):
        old, new, to = was.get(name), now.get(name), f"{key} → {name}"
        if old is None or new is None:
            effect, text = (Effect.RELEASED, "may call") if new else (Effect.WITHHELD, "may no longer call")
            yield Change(effect, to, text)
            continue
        if old.region != new.region:
            yield Change(Effect.RELEASED, to, f"was: in {old.region}; now: in {new.region}")
        for effect, verb, more in (
            (Effect.RELEASED, "gains", new.allow - old.allow),
            (Effect.WITHHELD, "loses", old.allow - new.allow),
        ):
            if more:
                yield Change(effect, f"{to}.allow", f"{verb} {shortlist(category.name for category in sorted(more))}")


def _route(route: Route) -> str:
    """Where a route leads, and which calls."""
    upstream = (route.upstream,) if isinstance(route.upstream, str) else route.upstream
    methods = ", ".join(map(printable, route.methods)) or "every method"
    return f"{' and '.join(map(printable, upstream))}, {methods}, {route.listener.value}, {route.mode.value}"


def _lists(key: str, was: Collection[object], now: Collection[object], destination: str = "") -> Iterator[Change]:
    gained, lost = (
        sorted(getattr(one, "name", str(one)) for one in set(a) - set(b)) for a, b in ((now, was), (was, now))
    )
    text = list_change(gained, lost)
    if text:
        yield Change(Effect.NOTED, key, text, destination)


def _used_destinations(policy: Policy) -> frozenset[str]:
    """The destinations that something leads to."""
    return frozenset(name for names in policy.flows.values() for name in names) | {
        route.destination for route in policy.routes
    }


def _destination(name: str, was: Destination | None, now: Destination | None, *, used: bool) -> Iterator[Change]:
    """What is said of one recipient.

    To send what it got to another place or another kind of recipient is to release it there.
    """
    key = f"destinations.{name}"
    if was is None or now is None:
        yield Change(
            Effect.NOTED,
            key,
            "no longer a destination" if now is None else f"a new destination, {_recipient_text(now)}",
            name,
        )
        return
    moved = Effect.RELEASED if used else Effect.NOTED
    if _recipient_text(was) != _recipient_text(now):
        yield Change(moved, key, f"was: {_recipient_text(was)}; now: {_recipient_text(now)}", name)
    yield from exporter_changes(f"{key}.exporter", was.exporter, now.exporter, Change(moved, "", "", name))
    yield from _gates(key, was, now, Change(moved, "", "", name))
    yield from _lists(f"{key}.allow", was.allow, now.allow, name)
    if was.delivery is not now.delivery and was.delivery_mode is not now.delivery_mode:
        text = f"was: {was.delivery_mode}; now: {now.delivery_mode}"
        yield Change(Effect.NOTED, f"{key}.delivery", text, name)
    for duty in DUTY_KEYS:
        if getattr(was, duty) != getattr(now, duty):
            effect = Effect.NOTED if duty == "retention" and now.retention < was.retention else moved
            yield Change(effect, f"{key}.{duty}", f"was: {_duty(was, duty)}; now: {_duty(now, duty)}", name)


def _gates(key: str, was: Destination, now: Destination, moved: Change) -> Iterator[Change]:
    """What is asked before anything is sent: without it more leaves, where something leads there."""
    for effect, verb, gates in (
        (moved.effect, "no longer asks for", was.gates - now.gates),
        (Effect.WITHHELD, "asks for", now.gates - was.gates),
    ):
        if gates:
            text = f"{verb} {shortlist(sorted(gates))}"
            yield msgspec.structs.replace(moved, effect=effect, field=f"{key}.gates", text=text)


def _hosts(region: str, was: Collection[str], now: Collection[str]) -> Iterator[Change]:
    """Which hosts count as in a region: data may go to those that do now."""
    effect = Effect.RELEASED if set(now) - set(was) else Effect.NOTED
    for change in _lists(f"hosts.{region}", was, now):
        yield msgspec.structs.replace(change, effect=effect)


def _duty(destination: Destination, name: str) -> str:
    value = getattr(destination, name)
    return f"{value / ONE_DAY:g} days" if name == "retention" else str(value)


def _recipient_text(destination: Destination) -> str:
    return f"a {destination.recipient.value} in {destination.region}"


def _overrides(old: Compiler, new: Compiler) -> Iterator[Change]:
    """Overlays that may loosen what the contract says."""
    for name, given in new.full_policy.classifications.items():
        if given.overrides and old.policy.classifications.get(name) != given:
            annotation = new.contract.annotations.get(name)
            instead = f" instead of {classification_wording(annotation)}" if annotation else ""
            yield Change(
                Effect.NOTED, f"classifications.{name}", f"overrides: {classification_wording(given.privacy)}{instead}"
            )


def _absent_field_changes(old: Compiler, new: Compiler) -> Iterator[Change]:
    """What is said of fields of other contracts: what follows from it, only those tell."""
    was, now = old.full_policy.classifications, new.full_policy.classifications
    for name in sorted(_absent_fields(old) | _absent_fields(new)):
        if was.get(name) != now.get(name) and not (name in now and now[name].overrides):
            yield Change(
                Effect.NOTED, f"classifications.{name}", "changed; the contract that has it tells what that releases"
            )


def _absent_fields(compiler: Compiler) -> frozenset[str]:
    """The fields that a policy classifies, and another contract has."""
    return frozenset(str(one.keys[1]) for one in compiler.absent if one.keys[0] == "classifications")
