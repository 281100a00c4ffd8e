"""The rules that keep the promises of the privacy statement: a closed set. What each asks is one sentence."""

from __future__ import annotations

from enum import StrEnum


class Rule(StrEnum):
    """A rule, and in a sentence what it asks; every check is one of some rule's."""

    LOG_CATEGORIES = "A log receives user IDs, business addresses and operational values, no more."
    LOG_VALUES = "What looks personal, and text that the policy doesn't list word for word, is stripped from logs."
    LOG_REGIONS = "A log is in France or Ireland, whatever makes it one."
    ECHO = "At logs and outside the EU no open value repeats a name or an address of the item's own person."
    DATABASE_CATEGORIES = "What keeps memberships of workspaces receives business addresses and workspaces, no more."
    CONTENT_REGIONS = "What is made (CONTENT) is received in France or Ireland only."
    PERSONAL_DATA_REGIONS = "Personal data is received in France, Ireland or Belgium, and what sales need in Germany."
    IDENTITY_REGIONS = "Who authenticates users is in France, Ireland or Belgium."
    CRM_REGIONS = "Who receives data for sales is in Germany."
    BACKUP_SWITCH = "A project is withheld from a backup that the company is not known to have switched on."
    OUTSIDE_CATEGORIES = (
        "Outside the EU user IDs, business addresses and operational values are received, no more; personal data in "
        "the US only."
    )
    OUTSIDE_PURPOSES = "Outside the EU there are the analytics service and the support tool, nobody else."
    CLOSED_PATTERNS = "Outside the EU no pattern lets an invented name, number or address pass."
    TIMES = "Outside the EU a time is received only near its receipt: no date of birth or of a contract."
    TRACKING_PLAN = "Analytics receives events and properties that the tracking plan lists, no more."
    DISCUSSION_ARCHIVE = "What feeds the support tool feeds an archive inside the EU, which has the discussion."
    IDENTIFIER_FORM = "What identifies a user or a thing is bounded, behind a literal prefix or of a fixed shape."
    ACCOUNT_CATEGORIES = "Accounts receive identifiers, names, contact details, devices and usage, no more."
    NEVER_COLLECTED = "Nobody receives age, gender, banking data, location or passwords, by label or by name."
    FORBIDDEN_VALUES = "Card numbers, IBANs, coordinates and secrets are stripped by their look, at every recipient."
    NO_PERSONAL_ACCOUNTS = (
        "An item about a free-mail address is withheld from vendors, and the address stripped elsewhere."
    )
    PURPOSES = "Each recipient has a purpose of the statement."
    ALLOWED_CATEGORIES = "A recipient receives the categories that the policy allows it, no more."
    ENFORCED = "Calls between services are minimised, not only watched."
    SEPARATE_RECIPIENTS = (
        "What receives messages of one kind (accounts, projects, sign-ins, …) receives none of another."
    )
    LISTED_RECIPIENTS = "An item reaches the destinations that the policy names for it, and nobody if it names none."
    ENDPOINT_REGIONS = "A recipient's host is in the recipient's country."
    CONSENT = "Nothing rests on consent until there is a preference that a person can withdraw."
    SALES_CATEGORIES = "Sales receives name, contact and organisation, no more."
    SUPPORT_CATEGORIES = "Support receives contact, device and usage, and the discussion, no more."
    PURCHASE_CATEGORIES = "Payment receives contact and professional payment data, no more."
    COMMUNICATION_CATEGORIES = "Communications receive contact data, no more."
    SERVICES_CATEGORIES = "Professional services receive a contact, no more."
    ADDRESS_PURPOSES = "Network addresses are received for authentication only, postal addresses for payment only."
    COOKIE_PURPOSES = "Cookies are received for settings, sign-in, analysis, advertising and fraud prevention, no more."
    ADVERTISING_CHOICE = "Advertising rests on consent."
    RETENTION = "What a recipient keeps has an end: ten years for payment and the law, five for all else."
    FAIL_CLOSED = "What can't be read is not passed on."
    TLS = "What leaves this machine is encrypted."
