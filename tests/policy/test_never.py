"""Which names say what is never collected."""

from __future__ import annotations

import pytest

from gateway.model import Category
from gateway.policy.never import Said, said, words

SURE = {
    Category.AGE: """age userAge user_age AGE ages ageRange age_18_25 birthDate birth_date dateOfBirth date_of_birth dateofbirth birthday
        birthdays birthYear dob date_naissance dateDeNaissance lieuNaissance""",
    Category.GENDER: "gender userGender GENDER_MALE sex sexe isMale female homme femmes civilite civilité pronouns",
    Category.BANKING: """iban IBANNumber ibans bic bank_account bankAccounts bankaccount accountNumber card_number cardNumbers creditCard
        cvv CVC rib compte_bancaire carteBancaire numero_de_carte sort-code""",
    Category.LOCATION: "location lastLocation geo.locality.name geohash gps GPSPosition latitude longitude lat_lng geolocalisation",
    Category.CREDENTIAL: """password passwords userPasswd pwd secret clientSecret token access_token accessTokens apiKey api_key apikey
        private_key credentials mot_de_passe motDePasse mdp jeton pinCode""",
}
SILENT = """
    page usage message language storage image package manager average coverage stage agent passage_way tokenizer secretary bicycle ribbon
    contributor island geometry geographic sexton essex unisex allocation relocation dislocation translation page_token nextPageToken
    max_tokens token_count prompt_tokens cache_max_age file_location source_location video_genre image_bank position position_s filmed_at
    user_id email h264 gp
"""
DOUBTFUL = {Category.GENDER: "genre", Category.BANKING: "bank bank_ref banque", Category.LOCATION: "crop_coordinates coordinate"}


@pytest.mark.parametrize(("category", "name"), [(category, name) for category, names in SURE.items() for name in names.split()])
def test_it_is_heard_in_any_case_and_language(category: Category, name: str) -> None:
    assert said(name) == Said(category, sure=True)


@pytest.mark.parametrize("name", SILENT.split())
def test_it_is_not_heard_inside_other_words(name: str) -> None:
    assert said(name) is None


@pytest.mark.parametrize(("category", "name"), [(category, name) for category, names in DOUBTFUL.items() for name in names.split()])
def test_a_word_with_another_meaning_is_heard_with_doubt(category: Category, name: str) -> None:
    assert said(name) == Said(category, sure=False)


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
