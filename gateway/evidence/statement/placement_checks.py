"""Checks of what the policy says of recipients: their region, categories, purpose, basis, retention and hosts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec

from gateway.evidence.statement.checks import CheckResult
from gateway.evidence.statement.in_force import InForce
from gateway.evidence.statement.recipients import NamedRecipient, Selection
from gateway.evidence.statement.rules import Rule
from gateway.exporters.settings import EndpointSettings
from gateway.model import Category
from gateway.policy.endpoints import is_loopback
from gateway.policy.routes import hosts
from gateway.policy.vocabulary import LegalBasis
from gateway.yamlfile.durations import format_seconds


class RegionCheck(msgspec.Struct, frozen=True):
    """Recipients are in one of some regions, those that receive one of some categories, if any are given."""

    rule: Rule
    selection: Selection
    regions: frozenset[str]
    categories: frozenset[Category] = frozenset()

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient."""
        for one in self.selection.of(held.recipients):
            if self.categories and self.categories.isdisjoint(one.allow):
                continue
            passed, expected = one.region in self.regions, " or ".join(sorted(self.regions))
            tried = f"{one.name} is in {expected}"
            yield CheckResult(self.rule, passed, tried, f"it is in {one.region}", (*one.keys, "region"))


class CategoryCheck(msgspec.Struct, frozen=True):
    """Recipients are allowed no more than some categories."""

    rule: Rule
    selection: Selection
    categories: frozenset[Category]

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient."""
        for one in self.selection.of(held.recipients):
            more = sorted(one.allow - self.categories)
            tried = f"{one.name} is allowed no more than {_names(self.categories)}"
            outcome = f"it is allowed {_names(frozenset(more))}" if more else "it is allowed no more"
            keys = (*one.keys, "allow", *(category.name for category in more[:1]))
            yield CheckResult(self.rule, not more, tried, outcome, keys)


class ProhibitedCheck(msgspec.Struct, frozen=True):
    """Recipients are not allowed some categories."""

    rule: Rule
    selection: Selection
    categories: frozenset[Category]

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for all recipients together, or one for each that fails."""
        failing = [one for one in self.selection.of(held.recipients) if self.categories & one.allow]
        tried = f"{self.selection.wording}: none is allowed {_names(self.categories)}"
        for one in failing:
            first = min(self.categories & one.allow)
            yield CheckResult(self.rule, False, tried, f"{one.name} is", (*one.keys, "allow", first.name))
        if not failing:
            yield CheckResult(self.rule, True, tried, "none is")


class PurposeCheck(msgspec.Struct, frozen=True):
    """Recipients have one of some purposes or one below, those that receive one of some categories, if any are given.

    `wording` says what such purposes are for.
    """

    rule: Rule
    selection: Selection
    purposes: tuple[str, ...]
    wording: str
    categories: frozenset[Category] = frozenset()

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient."""
        for one in self.selection.of(held.recipients):
            if self.categories and self.categories.isdisjoint(one.allow):
                continue
            passed, tried = one.has_purpose(self.purposes), f"{one.name} is for {self.wording}"
            yield CheckResult(self.rule, passed, tried, f"it is for {one.purpose}", (*one.keys, "purpose"))


class BasisCheck(msgspec.Struct, frozen=True):
    """Recipients rest on one of some legal bases, as `wording` names them."""

    rule: Rule
    selection: Selection
    bases: frozenset[LegalBasis]
    wording: str

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient that has a basis of its own."""
        for one in self.selection.of(held.recipients):
            if one.legal_basis is not None:
                passed, tried = one.legal_basis in self.bases, f"{one.name} rests on {self.wording}"
                outcome = f"it rests on {one.legal_basis}"
                yield CheckResult(self.rule, passed, tried, outcome, (*one.keys, "legal_basis"))


class RetentionCheck(msgspec.Struct, frozen=True):
    """Recipients keep what they received no longer than a time, and those with some purposes or bases than another."""

    rule: Rule
    selection: Selection
    longest: timedelta
    longest_by_law: timedelta
    purposes_by_law: tuple[str, ...]

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient that has a retention of its own."""
        for one in self.selection.of(held.recipients):
            if one.retention is not None:
                longest = self.longest_by_law if self._is_by_law(one) else self.longest
                passed = timedelta(0) < one.retention <= longest
                tried, outcome = (
                    f"{one.name} keeps for {_days(longest)} at most",
                    f"it keeps for {_days(one.retention)}",
                )
                yield CheckResult(self.rule, passed, tried, outcome, (*one.keys, "retention"))

    def _is_by_law(self, one: NamedRecipient) -> bool:
        return one.legal_basis is LegalBasis.LEGAL_OBLIGATION or one.has_purpose(self.purposes_by_law)


class EndpointRegionCheck(msgspec.Struct, frozen=True):
    """The host of an exporter is in the destination's country, by what its vendor or the policy says."""

    rule: Rule

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each exporter that sends to a host, or one if none does."""
        found = False
        for name, host, settings in _exporter_hosts(held):
            found, region = True, held.policy.destinations[name].region
            said = settings.REGION_BY_HOST.get(host)
            passed = is_loopback(host) or said == region or (said is None and host in held.policy.hosts.get(region, ()))
            tried = f"the host of {name} is in {region}"
            outcome = (
                f"{host} is {'this machine' if is_loopback(host) else said or (region if passed else 'not listed')}"
            )
            yield CheckResult(self.rule, passed, tried, outcome, ("destinations", name, "exporter", "endpoint"))
        if not found:
            yield CheckResult(self.rule, True, "hosts of exporters", "no exporter sends to one: files on this machine")


class EncryptionCheck(msgspec.Struct, frozen=True):
    """Exporters send by https and routes by TLS, unless to this machine."""

    rule: Rule

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each exporter that sends to a host and for each route, or one if there are none."""
        results = [*self._exporters(held), *self._routes(held)]
        yield from results or [CheckResult(self.rule, True, "exporters and routes", "nothing leaves this machine")]

    def _exporters(self, held: InForce) -> Iterator[CheckResult]:
        for name, host, settings in _exporter_hosts(held):
            scheme = urlsplit(settings.endpoint).scheme
            keys = ("destinations", name, "exporter", "endpoint")
            passed = scheme == "https" or is_loopback(host)
            yield CheckResult(self.rule, passed, f"{name} is sent to by https, or here", f"by {scheme} to {host}", keys)

    def _routes(self, held: InForce) -> Iterator[CheckResult]:
        for index, route in enumerate(held.policy.routes):
            here = route.local and all(map(is_loopback, hosts(route.upstream)))
            passed = here or not route.local
            outcome = "on this machine" if here else "by TLS" if passed else "in plain text"
            keys = ("routes", index, "plaintext")
            yield CheckResult(self.rule, passed, f"{route.authority} is called by TLS, or here", outcome, keys)


def _exporter_hosts(held: InForce) -> Iterator[tuple[str, str, EndpointSettings]]:
    """Yield each destination whose exporter sends to a host, with the host."""
    for name, given in held.policy.destinations.items():
        if isinstance(given.exporter, EndpointSettings):
            yield name, urlsplit(given.exporter.endpoint).hostname or "", given.exporter


def _names(categories: frozenset[Category]) -> str:
    return ", ".join(category.name for category in sorted(categories))


def _days(time: timedelta) -> str:
    return format_seconds(time.total_seconds())
