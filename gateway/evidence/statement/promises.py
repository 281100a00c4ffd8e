"""The promises of the privacy statement, as data: each a plain sentence, and the rules that keep it."""

from __future__ import annotations

from typing import Final

import msgspec

from gateway.evidence.statement.rules import Rule


class Promise(msgspec.Struct, frozen=True):
    """A sentence of the statement, by an ID that stays, and the rules that keep it."""

    id: str
    sentence: str
    rules: tuple[Rule, ...]


PROMISES: Final = (
    Promise(
        "logs-contents",
        "Of personal data, logs hold only the user's identifier and business address.",
        (Rule.LOG_CATEGORIES, Rule.LOG_VALUES, Rule.ECHO),
    ),
    Promise("logs-place", "Logs stay on servers in France or Ireland.", (Rule.LOG_REGIONS,)),
    Promise(
        "database-contents",
        "The database knows only which business address belongs to which workspace.",
        (Rule.DATABASE_CATEGORIES, Rule.ENFORCED),
    ),
    Promise(
        "assets-place",
        "Business assets (logos, jingles, music, fonts) stay on servers in France or Ireland.",
        (Rule.CONTENT_REGIONS, Rule.ENFORCED),
    ),
    Promise(
        "projects-place",
        "Video projects that are backed up or made on the web stay on servers in France or Ireland.",
        (Rule.CONTENT_REGIONS, Rule.ENFORCED),
    ),
    Promise("projects-backup", "Projects are backed up only where the company switched it on.", (Rule.BACKUP_SWITCH,)),
    Promise("identity-place", "The identity provider is in France, Ireland or Belgium.", (Rule.IDENTITY_REGIONS,)),
    Promise("crm-place", "The CRM is in Germany.", (Rule.CRM_REGIONS,)),
    Promise(
        "personal-data-place",
        "All other personal data stays in France, Ireland or Belgium.",
        (Rule.PERSONAL_DATA_REGIONS, Rule.OUTSIDE_CATEGORIES, Rule.ENDPOINT_REGIONS, Rule.ENFORCED),
    ),
    Promise(
        "us-indirect",
        "The United States get indirect data only: the user's identifier, the business address, and values that say "
        "nothing of a person.",
        (Rule.OUTSIDE_CATEGORIES, Rule.CLOSED_PATTERNS, Rule.ECHO, Rule.TIMES),
    ),
    Promise(
        "us-recipients",
        "In the United States there are the analytics service and the support tool, nobody else.",
        (Rule.OUTSIDE_PURPOSES,),
    ),
    Promise("us-usage", "The analytics service gets usage by listed events alone.", (Rule.TRACKING_PLAN,)),
    Promise(
        "discussion",
        "The discussion with support stays in the EU.",
        (Rule.DISCUSSION_ARCHIVE, Rule.OUTSIDE_CATEGORIES),
    ),
    Promise("identifiers", "An identifier says nothing of its user.", (Rule.IDENTIFIER_FORM,)),
    Promise(
        "accounts-contents",
        "Accounts hold identifiers, a name, professional contact details, device and usage.",
        (Rule.ACCOUNT_CATEGORIES, Rule.ENFORCED),
    ),
    Promise(
        "never",
        "Age, gender, banking data, location and passwords are never collected.",
        (Rule.NEVER_COLLECTED, Rule.ENFORCED),
    ),
    Promise(
        "never-by-value",
        "Card numbers, bank accounts, coordinates and passwords don't pass under another label.",
        (Rule.FORBIDDEN_VALUES, Rule.ENFORCED),
    ),
    Promise("no-personal-accounts", "There are no personal accounts.", (Rule.NO_PERSONAL_ACCOUNTS, Rule.ENFORCED)),
    Promise(
        "purposes",
        "Data is used to provide, secure, support, improve and personalise the products, to analyse performance and to "
        "meet the law.",
        (Rule.PURPOSES,),
    ),
    Promise(
        "minimised",
        "A recipient gets what it needs for its purpose, and nothing beside.",
        (Rule.ALLOWED_CATEGORIES, Rule.SEPARATE_RECIPIENTS, Rule.ENFORCED),
    ),
    Promise(
        "shared-with-nobody",
        "Data is shared with nobody but the recipients that the policy lists.",
        (Rule.LISTED_RECIPIENTS,),
    ),
    Promise("hosts", "A recipient is where the policy says it is.", (Rule.ENDPOINT_REGIONS,)),
    Promise("consent", "What a person agreed to can be withdrawn at any time.", (Rule.CONSENT,)),
    Promise(
        "sales", "Contacting sales collects name, contact and organisation.", (Rule.SALES_CATEGORIES, Rule.ENFORCED)
    ),
    Promise(
        "support", "Support collects device or usage data or error reports.", (Rule.SUPPORT_CATEGORIES, Rule.ENFORCED)
    ),
    Promise(
        "purchase",
        "Purchase collects contact and professional payment data.",
        (Rule.PURCHASE_CATEGORIES, Rule.ENFORCED),
    ),
    Promise(
        "communications",
        "Communications are personalised with contact data.",
        (Rule.COMMUNICATION_CATEGORIES, Rule.ENFORCED),
    ),
    Promise(
        "professional-services", "Professional services name a contact.", (Rule.SERVICES_CATEGORIES, Rule.ENFORCED)
    ),
    Promise(
        "addresses",
        "A network address serves sign-in, and a postal address the invoice.",
        (Rule.ADDRESS_PURPOSES, Rule.ENFORCED),
    ),
    Promise(
        "cookies",
        "Cookies and beacons serve settings, sign-in, analysis, advertising and fraud prevention.",
        (Rule.COOKIE_PURPOSES, Rule.ENFORCED),
    ),
    Promise(
        "cookie-choice", "Users choose whether they are shown advertising.", (Rule.ADVERTISING_CHOICE, Rule.CONSENT)
    ),
    Promise("retention", "Data is kept for the contract, the commercial relationship and the law.", (Rule.RETENTION,)),
    Promise("unreadable", "What the gateway can't read goes nowhere.", (Rule.FAIL_CLOSED, Rule.ENFORCED)),
    Promise("encrypted", "Data is encrypted on its way.", (Rule.TLS,)),
)


class Limit(msgspec.Struct, frozen=True):
    """Something that the gateway can't enforce, and who must."""

    what: str
    who: str


LIMITS: Final = (
    Limit("What a container prints past the gateway: on its console, into a file, over the network.",
          "The platform engineer: `pipe` before the console, network policies, no other log driver."),
    Limit("Whether a field holds what its category says; the gateway checks the look of values, not what they mean.",
          "The service's developers, and the privacy officer who approves classifications."),
    Limit("That staff are trained, and look at personal data only where their work asks for it.", "The employer."),
    Limit("Password managers, and how staff sign in to vendors' consoles.", "The security officer."),
    Limit("Detection of attacks by the identity provider and by vendors, with what they collect themselves.",
          "The provider, by its contract."),
    Limit("Deletion at a vendor of what it has received, and that it keeps data no longer than agreed.",
          "The vendor, by its contract; the privacy officer asks for proof."),
    Limit("Where a host stands that the policy lists under `hosts`.", "The privacy officer, who lists it."),
    Limit("Cookies and beacons that a browser sets or sends past the gateway.", "The web application's developers."),
)  # fmt: skip
