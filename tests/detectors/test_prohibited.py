"""Which names say what is never collected."""

from __future__ import annotations

import hashlib
import re
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors import personal_names as personal
from gateway.detectors import prohibited
from gateway.detectors.personal_names import is_personal_name
from gateway.detectors.phrases import Words, words
from gateway.detectors.prohibited import Language, Prohibition, Topic, is_prohibited
from gateway.detectors.prohibited import find_prohibition as said

UNMISTAKABLE = {
    Topic.AGE: """age userAge user_age AGE ages ageRange age_18_25 birthDate birth_date dateOfBirth date_of_birth dateofbirth birthday
        birthdays birthYear dob userDOB born born_at date_naissance dateDeNaissance lieuNaissance geburtsdatum Geburtstag geboren
        fecha_nacimiento fechaNacimiento edad cumpleaños years_old jahre_alt data_nascita dataDiNascita birth.place""",
    Topic.GENDER: """gender userGender GENDER_MALE sex sexe isMale female homme femmes civilite civilité pronouns civility salutation anrede
        geschlecht sexo sesso männlich maennlich""",
    Topic.BANKING: """iban IBANNumber ibans bic bank_account bankAccounts bankaccount accountNumber card_number cardNumbers creditCard
        cvv CVC rib compte_bancaire carteBancaire numero_de_carte sort-code cc_number ccNumber kontonummer Bankverbindung
        cuenta_bancaria tarjetaDeCredito conto_corrente user.iban coordonnees_bancaires""",
    Topic.LOCATION: """location lastLocation geo.locality.name geohash gps GPSPosition latitude longitude lat_lng latlng geolocalisation
        user.latitude gps/latitude standort ubicación ubicacion latitud latitudine breitengrad Längengrad laengengrad
        wohnort home_address posizione user.domicile""",
    Topic.CREDENTIAL: """password passwords userPasswd pwd secret clientSecret token access_token accessTokens apiKey api_key apikey
        private_key credentials mot_de_passe motDePasse mdp jeton pinCode jwt user.jwt passwort Passwörter contraseña contrasena
        clave_privada segreto pass_word authorization_header password_reset_token password_reset_code password_reset
        password.reset.link token_refresh auth_token refresh_token_count_token password_resets_password""",
    Topic.NATIONAL_ID: """ssn user_ssn socialSecurityNumber national_id numero_securite_sociale num_secu codice_fiscale codiceFiscale dni
        personalausweis sozialversicherungsnummer steuerId passport_number driversLicense permis_de_conduire nir user.bsn passport
        passeport pasaporte passaporto reisepass""",
    Topic.SPECIAL: """religion user.religion religión ethnicity ethnic_group trade_union tradeUnionMember sexualOrientation heart_rate
        heartrate anna.martin.heart_rate bloodType bloodPressure healthRecords konfession gewerkschaft blutgruppe groupe_sanguin
        opinion_politique gruppo_sanguigno frecuencia_cardiaca pregnancy disability enceinte schwanger embarazada
        incinta cancer krebs gay lesbian muslim musulman jewish jüdisch catholic católica handicap behinderung""",
}
SILENT = """
    page usage message language storage image package manager average coverage stage agent passage_way tokenizer secretary bicycle ribbon
    contributor island geometry geographic sexton essex unisex allocation relocation dislocation translation page_token nextPageToken
    max_tokens token_count prompt_tokens cache_max_age file_location source_location video_genre image_bank position position_s filmed_at
    user_id email h264 gp gen_ai.client.token.usage gen_ai.usage.input_tokens gen_ai.server.time_to_first_token panel spinner pinned opinion
    platform flat latency belongs along longest alternate altered natural stubborn reborn unborn newborns_ward health_check
    service.health race_condition unions unionfind reunion origin heart beat rate bloom jwt_issuer otp_version {token} authorize author
    message_age auth.password.resets passwordResets password_reset_count auth.password.reset.duration auth.token.refreshes
    oauth.token.refresh.errors token_validation_duration
"""
AMBIGUOUS = {
    Topic.AGE: "alter anniversaire",
    Topic.GENDER: "genre genero genere",
    Topic.BANKING: "bank bank_ref banque pan editor.pan tarjeta",
    Topic.LOCATION: "crop_coordinates coordinate lat lng lon p99.lat",
    Topic.CREDENTIAL: "pin comment.pin otp authorization aspnetcore.authorization.attempts",
    Topic.NATIONAL_ID: "nif insee",
    Topic.SPECIAL: "race health blood_bath diagnosis",
}


def each(listed: dict[Topic, str]) -> list[tuple[Topic, str]]:
    return [(topic, name) for topic, names in listed.items() for name in names.split()]


@pytest.mark.parametrize(("topic", "name"), each(UNMISTAKABLE))
def test_it_is_noticed_in_any_case_and_language(topic: Topic, name: str) -> None:
    assert said(name) == Prohibition(topic, unmistakable=True)
    assert is_prohibited(name)


@pytest.mark.parametrize("name", SILENT.split())
def test_it_is_not_noticed_inside_other_words(name: str) -> None:
    assert said(name) is None


@pytest.mark.parametrize(("topic", "name"), each(AMBIGUOUS))
def test_a_word_with_another_meaning_is_ambiguous(topic: Topic, name: str) -> None:
    assert said(name) == Prohibition(topic, unmistakable=False)
    assert not is_prohibited(name)


def test_every_topic_has_unmistakable_words_in_every_language() -> None:
    assert {(topic, language) for topic in Topic for language in Language} == {
        (topic, language)
        for topic, phrases in prohibited.TABLE.unmistakable.items()
        for language, listed in phrases.items()
        if listed
    }


def test_no_phrase_is_both_unmistakable_and_ambiguous() -> None:
    unmistakable, ambiguous = (
        {"".join(words(phrase)) for phrases in listed.values() for some in phrases.values() for phrase in some}
        for listed in (prohibited.TABLE.unmistakable, prohibited.TABLE.ambiguous)
    )
    assert not unmistakable & ambiguous


PERSONAL = """
    service.email service.firstname service.first_name service.lastName service.surname service.fullname service.vorname service.Nachname
    service.nombre service.apellidos service.cognome service.prenom service.e_mail service.mail_address service.phone service.mobile
    service.telephone service.telefonnummer service.address service.postal_code service.username service.userName service.login
    service.ip_address service.ip service.lat service.lng service.lon service.owner.email service.street service.strasse service.straße
"""
IMPERSONAL = """
    service.name service.namespace service.version service.instance.id service.owner.team service.email.provider service.email_template
    service.display_name service.build.commit service.p99.lat service.server.address service.ipv4 service.shipment service.phonetic
    service.mobility service.mobile_app_version service.relation service.plate service.addressable service.login.attempts service.dataset
"""


@pytest.mark.parametrize("name", PERSONAL.split())
def test_a_name_says_something_personal(name: str) -> None:
    assert is_personal_name(name, "service.")


@pytest.mark.parametrize("name", IMPERSONAL.split())
def test_a_name_says_nothing_personal(name: str) -> None:
    assert not is_personal_name(name, "service.")


@pytest.mark.parametrize(
    ("name", "above", "expected"),
    [
        ("email.provider", "email.", False),
        ("email.address", "email.", True),
        ("email.queue.length", "email.", False),
        ("user.name", "user.", True),
        ("user.name.length", "user.name.", False),
        ("mail.queue", "mail.", False),
        ("mail.address", "mail.", True),
    ],
)
def test_what_the_controller_wrote_above_is_no_finding_by_itself(name: str, above: str, expected: bool) -> None:
    assert is_personal_name(name, above) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("userID", ("user", "id")),
        ("HTTPServerURL2", ("http", "server", "url", "2")),
        ("SCREAMING_SNAKE", ("screaming", "snake")),
        ("kebab-and.dots", ("kebab", "and", "dots")),
        ("prénomÂge", ("prenom", "age")),
        ("", ()),
    ],
)
def test_a_name_falls_into_words(name: str, expected: tuple[str, ...]) -> None:
    assert words(name) == expected


def slowly_said(name: str) -> Prohibition | None:
    """What `prohibited` means, word for word: each phrase held against each place."""
    found = words(name)
    if name in prohibited.TABLE.harmless_names:
        return None
    for phrase in map(words, prohibited.TABLE.harmless):
        for start in starts(found, phrase, harmless):
            found = (*found[:start], *("" for _ in phrase), *found[start + len(phrase) :])
    for listed, unmistakable in ((prohibited.TABLE.unmistakable, True), (prohibited.TABLE.ambiguous, False)):
        for topic in Topic:
            phrases = [words(phrase) for some in listed.get(topic, {}).values() for phrase in some]
            if any(same(word, "".join(phrase)) for phrase in phrases for word in found) or any(
                starts(found, phrase) for phrase in phrases
            ):
                return Prohibition(topic, unmistakable)
    return None


def slowly_personal(name: str) -> bool:
    found = words(name)
    for phrase in map(words, personal.TABLE.harmless):
        for start in starts(found, phrase, harmless):
            found = (*found[:start], *("" for _ in phrase), *found[start + len(phrase) :])
    phrases = [words(phrase) for some in personal.TABLE.phrases.values() for phrase in some]
    return any(same(word, "".join(phrase)) for phrase in phrases for word in found) or any(
        starts(found, phrase) for phrase in phrases
    )


def starts(found: Words, phrase: Words, alike: Callable[[str, str], bool] | None = None) -> list[int]:
    return [
        at
        for at in range(len(found) - len(phrase) + 1)
        if all(map(alike or same, found[at : at + len(phrase)], phrase))
    ]


def same(word: str, part: str) -> bool:
    return word in (part, f"{part}s") or (len(part) > 3 and f"{word}s" == part)


def harmless(word: str, part: str) -> bool:
    """What is harmless in the plural needn't be so in the singular."""
    return word == part or (word == f"{part}s" and not part.endswith("s"))


LISTED = [
    words(phrase)
    for listed in (prohibited.TABLE.unmistakable, prohibited.TABLE.ambiguous, {Topic.AGE: personal.TABLE.phrases})
    for some in listed.values()
    for phrases in some.values()
    for phrase in phrases
]
LISTED += [*map(words, prohibited.TABLE.harmless), *map(words, personal.TABLE.harmless)]
KNOWN = sorted({word for phrase in LISTED for word in (*phrase, "".join(phrase))})
SHAPES: list[Callable[[str], str]] = [
    str,
    str,
    str.upper,
    str.capitalize,
    lambda word: word[:-1],
    lambda word: f"x{word}",
]
NEAR = st.tuples(
    st.sampled_from(KNOWN),
    st.sampled_from(SHAPES),
    st.sampled_from(["", "", "s", "ss", "x", "1", "\u00e9"]),
).map(lambda drawn: drawn[1](drawn[0]) + drawn[2])
PHRASE = st.sampled_from(LISTED).map("_".join)
NAMES = st.lists(st.one_of(NEAR, PHRASE, st.text(max_size=6)), max_size=6).flatmap(
    lambda parts: st.sampled_from(["_", ".", "-", "", "\u0301"]).map(lambda joint: joint.join(parts))
)


@settings(deadline=None, max_examples=1500)
@given(NAMES)
def test_it_notices_what_holding_each_phrase_against_each_place_would(name: str) -> None:
    assert said(name) == slowly_said(name)
    assert is_personal_name(name) == slowly_personal(name)


def cost(names: list[str]) -> float:
    """Processor seconds of this thread; the least of a few runs, since others want the machine too."""

    def once() -> float:
        start = time.thread_time()
        for name in names:
            said(name)
            is_personal_name(name)
        return time.thread_time() - start

    return min(once() for _ in range(5))


def reference(names: list[str]) -> float:
    """The same names, normalised and split at every character's edge: work that is plainly linear."""

    def once() -> float:
        start = time.thread_time()
        for name in names:
            for part in re.split("", unicodedata.normalize("NFKD", name)):
                part.lower()
        return time.thread_time() - start

    return min(once() for _ in range(5))


KEYS = [f"service.{hashlib.sha1(str(index).encode()).hexdigest()}" for index in range(1000)]


@pytest.mark.parametrize(
    "names",
    [
        KEYS,
        ["a1" * 32] * 500,
        ["aB" * 32] * 500,
        ["page_" * 12] * 500,
        ["maxTokens" * 7] * 500,
        ["cache.max." * 6] * 500,
    ],
    ids=["hashes", "digits", "capitals", "heads", "harmless", "almost"],
)
def test_a_name_costs_about_what_it_costs_to_read_it(names: list[str]) -> None:
    """Fifteen times the reference is about a second a megabyte.

    Holding each phrase against each place costs hundreds of times.
    """
    assert cost(names) < 15 * reference(names)


@pytest.mark.parametrize("part", ["a1", "page_", "maxTokens", "token_count_", "cache_max_"])
def test_a_name_of_twice_the_length_costs_about_twice_as_much(part: str) -> None:
    assert cost([part * 2000]) < 4 * cost([part * 1000])
