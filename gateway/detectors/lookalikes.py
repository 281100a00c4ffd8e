"""Characters that a reader takes for an ASCII one, where Unicode's compatibility forms don't say so.

Letters of the scripts that look-alike domains are made from, and the signs that addresses and numbers are written with.
How text is folded with them is in `fold.py`.
"""

from __future__ import annotations

from typing import Final

# Chosen from UTS #39 (https://www.unicode.org/Public/security/latest/confusables.txt): Latin beyond ASCII, Greek,
# Cyrillic, Armenian, Coptic, Cherokee and Lisu; and a few that it leaves out, such as the small capitals and the Greek
# small eta. Written as escapes, since the characters themselves can't be told apart in review.
_LETTERS: Final = {
    "a": "\u0251\u1d00\u03b1\u0430",
    "b": "\u0185\u0253\u0299\u03b2\u044c\u0432\u13cf\u0180",
    "c": "\u1d04\u0188\u0441\u2ca5",
    "d": "\u0111\u0256\u0257\u1d05\u0501",
    "e": "\u0259\u025b\u1d07\uab32\u03b5\u0435\u04bd\u0454",
    "f": "\uab35\ua799\u1e9d\u0192\ua730\u0584\u03dd",
    "g": "\u0261\u1d83\u018d\u0262\u0581\u0260",
    "h": "\u0127\u0266\u029c\u04bb\u0570\u043d\u2c8f",
    "i": "\u0131\u026a\u0269\u0268\u03b9\u0456\ua647",
    "j": "\u0237\u0249\u1d0a\u03f3\u0458\u0575\u029d",
    "k": "\u0199\u1d0b\u03ba\u043a\u2c95",
    "l": "\u0142\u026b\u029f\u04cf\u2cd1\u019a\u026d",
    "m": "\u0271\u1d0d\u043c\u2c99",
    "n": "\u0272\u0273\u0274\u03b7\u0578\u057c\u043f\u2c9b\u014b",
    "o": "\u00f8\u1d0f\u1d11\uab3d\u0275\u03bf\u03c3\u043e\u0585\u2c9f\u2c91",
    "p": "\u01a5\u1d18\u03c1\u0440\u2ca3\u00fe",
    "q": "\u02a0\u051b\u0566\u0563",
    "r": "\u024d\u027e\uab47\uab48\u0280\u1d26\u0433\u2c85\u027c",
    "s": "\ua731\u01bd\u0282\u0455",
    "t": "\u0167\u01ad\u1d1b\u03c4\u0442\u2ca7",
    "u": "\ua79f\u1d1c\uab4e\uab52\u028b\u03c5\u057d\u0289",
    "v": "\u1d20\u03bd\u0475\u2c71",
    "w": "\u026f\u1d21\u03c9\u0461\u051d\u0561\u2cb1",
    "x": "\u0445\u03c7\u2cad",
    "y": "\u0263\u1d8c\u028f\u1eff\uab5a\u03b3\u0443\u04af\u2ca9\u01b4",
    "z": "\u1d22\u0290\u01b6\u03b6\u2c8d",
    "A": "\u0391\u0410\u13aa\ua4ee",
    "B": "\ua7b4\u0392\u0412\u13f4\ua4d0",
    "C": "\u0421\u2ca4\u13df\ua4da",
    "D": "\u0110\u0189\u13a0\ua4d3",
    "E": "\u0395\u0415\u13ac\ua4f0",
    "F": "\ua798\u03dc\ua4dd",
    "G": "\u050c\u13c0\ua4d6",
    "H": "\u0397\u2c8e\u041d\u13bb\ua4e7",
    "I": "\u0399\u0406\u04c0\u2c92\ua4f2",
    "J": "\u037f\u0408\u13ab\ua4d9",
    "K": "\u039a\u2c94\u041a\u13e6\ua4d7",
    "L": "\u0141\u2cd0\u13de\ua4e1",
    "M": "\u039c\u03fa\u2c98\u041c\u13b7\ua4df",
    "N": "\u039d\u2c9a\ua4e0",
    "O": "\u00d8\u039f\u2c9e\u041e\u0555\ua4f3",
    "P": "\u03a1\u2ca2\u0420\u13e2\ua4d1",
    "Q": "\u051a",
    "R": "\u01a6\u13a1\ua4e3",
    "S": "\u0405\u054f\u13da\ua4e2",
    "T": "\u03a4\u2ca6\u0422\u13a2\ua4d4",
    "U": "\u054d\ua4f4",
    "V": "\u0474\u13d9\ua4e6",
    "W": "\u051c\u13b3\ua4ea",
    "X": "\ua7b3\u03a7\u2cac\u0425\ua4eb",
    "Y": "\u03a5\u2ca8\u0423\u04ae\ua4ec",
    "Z": "\u0396\u13c3\ua4dc",
}

# Full stops and middle dots of other scripts, colons, primes and quotation marks; the circled a stands for an at sign.
_SIGNS: Final = {
    "@": "\u24d0\u24b6",
    ".": "\u00b7\u2022\u2219\u22c5\u2027\u30fb\u3002\u06d4\u0701\u0702\u066b",
    ":": "\u2236\ua789\u02d0\u05c3",
    "-": "\u2212\u2043",
    "+": "\u2795",
    "%": "\u066a",
    "'": "\u2032\u02b9\u02bc\u2018\u2019",
    '"': "\u2033\u201c\u201d",
    "°": "\u00ba\u02da",
    "/": "\u2044\u2215",
}

LOOKALIKES: Final = {
    ord(char): plain for table in (_LETTERS, _SIGNS) for plain, chars in table.items() for char in chars
}
"""The ASCII character (or the degree sign) that a character stands for, by code point."""
