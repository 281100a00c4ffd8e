"""What a field that nobody has classified probably holds.

An annotation where its name and type tell, else a question.

A guess that is followed as it stands lets nobody's name out: OPERATIONAL is proposed for no open string, whatever it is
called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from google.protobuf.descriptor import FieldDescriptor

from gateway.detectors.personal_names import TABLE, is_personal_name
from gateway.detectors.phrases import Phrases, words
from gateway.detectors.prohibited import find_prohibition
from gateway.model import Category
from gateway.policy.fields import classified_parts, value_field
from gateway.policy.rules import kind_of

WORDS_BY_CATEGORY: Final[Mapping[Category, tuple[str, ...]]] = {
    Category.WORK_EMAIL: ("email", "mail", "courriel", "mailadresse", "emailadresse", "correo", "posta elettronica"),
    Category.COOKIE: ("cookie", "session id", "visitor id"),
    Category.DEVICE: ("user agent", "device", "mac address", "advertising id", "idfa"),
    Category.NETWORK: ("ip", "ip addr", "remote addr", "peer address", "client address"),
    Category.ORGANISATION: ("company", "organisation", "organization", "entreprise", "firma", "empresa", "azienda"),
    Category.USER_ID: ("user id",),
    Category.PHONE: ("phone", "mobile", "telephone", "cellphone", "fax", "téléphone", "telefon", "handy", "teléfono", "móvil", "cellulare"),
    Category.POSTAL_ADDRESS: ("address", "street", "postcode", "postal code", "zip code", "city", "adresse", "ville", "anschrift", "straße",
        "plz", "postleitzahl", "dirección", "calle", "ciudad", "indirizzo", "città"),
    Category.NAME: ("name", "username", "firstname", "lastname", "fullname", "nickname", "surname", "forename", "prénom", "vorname",
        "nachname", "apellido", "cognome"),
    Category.FREE_TEXT: ("text", "note", "comment", "message", "description", "remark", "bio"),
}  # fmt: skip
"""Words of names by what such a field holds. What is first goes before what follows: an IP address is no postal one."""

IDENTIFIER_CATEGORIES: Final = frozenset({Category.USER_ID, Category.COOKIE, Category.DEVICE})
"""What a name that ends with `id` may be guessed to hold: a company's ID is not its name."""

ID_ENDINGS: Final = (("id",), ("ids",))

PERSON_WORDS: Final = (
    "user", "person", "author", "owner", "manager", "assignee", "assigned to", "contact", "customer", "employee",
    "member", "creator", "reviewer", "approver", "reporter", "sender", "recipient", "participant", "attendee", "guest",
    "patient", "student", "teacher", "buyer", "seller", "supervisor", "applicant", "beneficiary", "created by",
    "updated by", "modified by", "changed by", "deleted by", "approved by", "requested by", "reviewed by",
    "submitted by", "invited by", "nom", "auteur", "propriétaire", "responsable", "employé", "salarié", "destinataire",
    "expéditeur", "créé par", "modifié par", "autor", "besitzer", "eigentümer", "kunde", "mitarbeiter", "bearbeiter",
    "empfänger", "absender", "ersteller", "erstellt von", "geändert von", "propietario", "cliente", "empleado",
    "contacto", "creado por", "modificado por", "autore", "proprietario", "dipendente", "contatto", "creato da",
    "modificato da",
)  # fmt: skip
"""Words that say who somebody is to a thing.

Such a field holds a name or an identifier, or a thing's that is called the same.
"""

THING_PHRASES: Final = (
    "package manager",
    "group manager",
    "session manager",
    "task manager",
    "tag manager",
    "window manager",
    "process manager",
    "lock owner",
)
"""What is called so and is nobody."""

REFERENCE_WORDS: Final = frozenset({"id", "ids", "uid", "uuid", "key", "ref", "number", "no", "name", "names", "login"})
"""What follows such a word and says no more than that it is somebody's."""

COUNT_WORDS: Final = (
    "count",
    "total",
    "size",
    "length",
    "number of",
    "version",
    "status",
    "code",
    "attempts",
    "retries",
    "port",
    "index",
    "level",
)
"""Words of whole numbers that count or number things."""

ONLY_IF_CLOSED: Final = "OPERATIONAL only with one_of or a pattern"
ASK_WHAT: Final = f"say what it holds; {ONLY_IF_CLOSED}"
ASK_WHOSE: Final = f"say whose it is: USER_ID if it is a user's, {ONLY_IF_CLOSED} if it is a thing's"
ASK_WHOM: Final = (
    f"say whom it names: USER_ID if it is an identifier, NAME if it is a name; {ONLY_IF_CLOSED} if that is nobody"
)
ASK_WHICH: Final = "say what it holds: its name says something personal, so it is not OPERATIONAL"
ASK_NUMBER: Final = (
    "say what it holds: OPERATIONAL with min and max if it is a count or a code, USAGE or CONTENT if it is about "
    "somebody"
)
ASK_MEASURE: Final = (
    "say what it holds: OPERATIONAL if it is a measure of nobody, USAGE or CONTENT if it is about somebody"
)
ASK_KEYS: Final = "say what its keys hold, as `map_key`"
ASK_ENTRIES: Final = f"{ASK_KEYS}, and its values, as `category`"

_PHRASES: Final = [(phrase, category) for category, phrases in WORDS_BY_CATEGORY.items() for phrase in phrases]
_CATEGORY_PHRASES: Final = Phrases([phrase for phrase, _ in _PHRASES], TABLE.harmless)
_PERSON_PHRASES: Final = Phrases(PERSON_WORDS, THING_PHRASES)
_COUNT_PHRASES: Final = Phrases(COUNT_WORDS)


def proposal(field: FieldDescriptor) -> str:
    """What to write behind a field, or what to ask oneself where nothing can be proposed."""
    if found := find_prohibition(field.name):
        return f"its name says {found.topic}, which no destination may have"
    kinds = dict(classified_parts(field))
    if kinds.get("map_key") in ("string", "integer"):
        return ASK_ENTRIES if "category" in kinds else ASK_KEYS
    return _of_value(
        field.name,
        kind_of(value_field(field)),
        keys=", map_key: DATA_CATEGORY_OPERATIONAL" if "map_key" in kinds else "",
    )


def names_person(name: str) -> bool:
    """Whether a name ends with a word for somebody, or for the identifier or the name of somebody."""
    found = words(name)
    while len(found) > 1 and found[-1] in REFERENCE_WORDS:
        found = found[:-1]
    return _PERSON_PHRASES.first(found, len(found) - 1) is not None


def _of_value(name: str, kind: str, keys: str) -> str:
    match kind:
        case "string":
            category = _guess_category(name)
            return _question(name) if category is None else _annotation(category, keys)
        case "bytes" | "opaque":
            return _annotation(Category.CONTENT, keys)
        case "integer" | "float" if is_personal_name(name):
            return ASK_WHICH
        case "integer":
            counts = _COUNT_PHRASES.first(words(name)) is not None and not names_person(name)
            return (
                f"{_annotation(Category.OPERATIONAL, f'{keys}, min: 0, max: 1000')}, with its own bounds"
                if counts
                else ASK_NUMBER
            )
        case "float":
            return ASK_MEASURE
    return _annotation(Category.OPERATIONAL, keys)


def _guess_category(name: str) -> Category | None:
    """The category that a string's name tells, if it does."""
    found = words(name)
    index = _CATEGORY_PHRASES.first(found)
    category = None if index is None else _PHRASES[index][1]
    return None if found[-1:] in ID_ENDINGS and category not in IDENTIFIER_CATEGORIES else category


def _question(name: str) -> str:
    if names_person(name):
        return ASK_WHOM
    if is_personal_name(name):
        return ASK_WHICH
    return ASK_WHOSE if words(name)[-1:] in ID_ENDINGS else ASK_WHAT


def _annotation(category: Category, more: str) -> str:
    if more:
        return f"[(kannelle.privacy.v1.field) = {{category: DATA_CATEGORY_{category.name}{more}}}]"
    return f"[(kannelle.privacy.v1.field).category = DATA_CATEGORY_{category.name}]"
