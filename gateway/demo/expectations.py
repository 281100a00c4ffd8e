"""What may arrive, written down apart from policy, contracts and plans.

The demo measures the gateway by this, not by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.model import Category

_INDIRECT: Final = frozenset({Category.USER_ID, Category.WORK_EMAIL, Category.OPERATIONAL})

MAY_RECEIVE: Final[Mapping[str, frozenset[Category]]] = {
    "activity-log": _INDIRECT,
    "application-log": _INDIRECT,
    "analytics": _INDIRECT,
    "support": _INDIRECT,
    "support-archive": _INDIRECT
    | {
        Category.NAME,
        Category.PHONE,
        Category.DEVICE,
        Category.ORGANISATION,
        Category.USAGE,
        Category.CONTENT,
        Category.FREE_TEXT,
    },
    "crm": _INDIRECT | {Category.NAME, Category.PHONE, Category.ORGANISATION},
    "workspace-directory": frozenset({Category.WORK_EMAIL, Category.OPERATIONAL}),
    "studio": frozenset({Category.OPERATIONAL, Category.ORGANISATION}),
    "access-log": _INDIRECT,
}
"""What Kannelle's privacy statement lets each destination of the demo receive, and who calls another service."""

METADATA: Final = ("authorization",)
"""What may come beside the message of the call between services, by key."""

ACCEPTED_PATHS: Final[Mapping[str, frozenset[str]]] = {
    "analytics": frozenset("name time properties user.user_id user.work_email user.device.app_version".split()),
    "support": frozenset("topic reference user.user_id user.work_email".split()),
}
"""What of an item a vendor's body has a place for, by its path; of a map, all entries. The others take everything."""

_PATHS: Final[Mapping[Category, str]] = {
    Category.USER_ID: """
        user.user_id user_id author_id viewer_ids[*] attributes[user.id]""",
    Category.WORK_EMAIL: """
        user.work_email work_email author_email membership.work_email attributes[user.email]""",
    Category.NAME: """
        user.full_name full_name attributes[enduser.id]""",
    Category.PHONE: """
        user.phone_number phone_numbers[*] attributes[service.contact]""",
    Category.POSTAL_ADDRESS: """
        company.postal_address""",
    Category.DEVICE: """
        user.device.device_id user.device.model user.device.operating_system user.network.user_agent
        attributes[user_agent.original]""",
    Category.NETWORK: """
        user.network.ip_address source_ip attributes[client.address] resource.attributes[host.ip]""",
    Category.COOKIE: """
        user.network.cookie_id""",
    Category.ORGANISATION: """
        user.workspace.company_name user.workspace.team user.workspace.role company.legal_name
        membership.role""",
    Category.USAGE: """
        user.usage.session_id user.usage.signed_in_at user.usage.videos_watched user.usage.recent_searches[*]
        attributes[session.id]""",
    Category.CONTENT: """
        title subtitles[en] share_link attachments[*].content properties[title]""",
    Category.PAYMENT: """
        subscription.payment_reference""",
    Category.LOCATION: """
        filmed_at""",
    Category.FREE_TEXT: """
        body detail subject text note attachments[*].file_name properties[comment]
        attributes[exception.message] attributes[exception.stacktrace] attributes[url.full]""",
    Category.OPERATIONAL: """
        name time action resource outcome topic reference created_at last_contacted[renewal] video_id codec length
        exported_at membership.workspace_id listener method peer fields_stripped
        user.workspace.workspace_id user.device.app_version company.company_id company.seats
        subscription.plan subscription.renews_at attachments[*].media_type
        properties[channel] properties[code] properties[codec] properties[duration_s] properties[position_s]
        properties[recovered]
        properties[resolution] properties[subtitled] properties[viewers]
        resource.attributes[deployment.environment.name] resource.attributes[service.name]
        resource.attributes[service.version]
        resource.attributes[telemetry.sdk.language] resource.attributes[telemetry.sdk.name] scope.name scope.version
        time_unix_nano observed_time_unix_nano severity_number severity_text event_name flags trace_id span_id
        attributes[exception.type] attributes[http.request.method] attributes[http.response.status_code]
        attributes[http.route] attributes[kannelle.video.codec] attributes[kannelle.video.id]
        attributes[kannelle.workspace.id]""",
}

CATEGORY_BY_PATH: Final[Mapping[str, Category]] = {
    path: category for category, paths in _PATHS.items() for path in paths.split()
}
"""What a field truly holds, whatever its contract says, by its path."""

COUNTRIES: Final[Mapping[str, str]] = {
    "BE": "Belgium",
    "DE": "Germany",
    "FR": "France",
    "IE": "Ireland",
    "US": "United States",
}
