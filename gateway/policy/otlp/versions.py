"""What versions look like: of services, libraries, runtimes and systems.

Their digits read as phone numbers, and four of their numbers as an IP address; the pattern is what keeps a bare phone
number out: no country's numbers are grouped like it, and none on end are as short.
"""

from __future__ import annotations

from typing import Final

from gateway.model import Category, Detector, FieldPrivacy

_MAJOR: Final = r"(0|[1-9][0-9]?|20[0-9]{2})"
_THREE: Final = r"(\.[0-9]{1,3}(\.[0-9]{1,5})?)?"
_FOUR: Final = r"\.[0-9]{1,2}(\.[0-9]{1,5}){2}"
_PATCHED: Final = r"(\.[0-9]{1,2}(\.[0-9]{1,3})?)?[+_-][0-9]{1,4}(\.[0-9]{1,3})?"
"""`5.15.0-91`, `17.0.9+9`, `1.8.0_392`, `5.10.209-198.812`."""
_PART: Final = (
    r"([.+~_-]{0,2}[0-9]{0,3}[A-Za-z]{1,16}"
    r"([.-]?([0-9]{1,4}|20[0-9]{2}[01][0-9][0-3][0-9])([._][0-9]{1,2}|\+[0-9]{1,4})?|\.[0-9]{7}|[0-9](\.[0-9]{1,2}){1,3})?)"
)
"""`-generic`, `-rc.1`, `.amzn2`, `-0ubuntu0.22.04.1`, `.dev20261129`, `-alpha.10+001`, `-gke.1443001`.

Letters are in each, so that no number of many digits comes of them."""
_STAMP: Final = r"20[0-9]{2}[01][0-9][0-3][0-9]([0-5][0-9]){3}"
_LETTERED: Final = r"([0-9]{0,8}[a-f]{1,8}){1,6}[0-9]{0,8}|[0-9a-f]{40}"
_COMMIT: Final = f"[0-9a-f]{{7,8}}|{_LETTERED}"
_BUILD: Final = (
    rf"([.+~_-](g[0-9]{{7,8}}|g?({_LETTERED})|20[0-9]{{2}}[01][0-9][0-3][0-9](([0-5][0-9]){{3}}|\.[0-9]{{1,3}})?))?"
)
"""A commit, or when it was: seven digits without `g` before them would be the end of a phone number."""
_NUMBERED: Final = (
    f"(semver:)?([A-Za-z]{{1,12}}[-_/]?|[1-9]:)?{_MAJOR}({_THREE}|{_FOUR}|{_PATCHED}){_PART}{{0,5}}{_BUILD}"
)
_SEMANTIC: Final = r"v?(0|[1-9][0-9]?)(\.[0-9]{1,2}){2}\+[0-9]{7,8}"
"""`2.14.3+1042021`: of three numbers, and a commit of digits alone."""
_DOTNET: Final = (
    r"[0-9]{1,2}\.[0-9]\.[0-9]{1,3}-(alpha|beta|preview|rc|rtm|servicing)(\.[0-9]{1,2})?\.2[0-9]{4}\.[0-9]{1,3}"
)
"""`9.0.0-rc.2.23502.2`: its build is of a year, month and day."""
_REDHAT: Final = (
    r"[2-9]\.[0-9]{1,2}\.[0-9]{1,3}-[0-9]{1,3}(\.[0-9]{1,3}){0,3}\.(el|fc|amzn)[0-9]{1,4}(_[0-9]{1,2})?"
    r"(\.(x86_64|aarch64|ppc64le|s390x|noarch))?"
)
"""`5.14.0-362.8.1.el9_3.x86_64`."""
_SNAPSHOT: Final = (
    r"[0-9]{1,2}(\.[0-9]{1,2}){1,2}-20[0-9]{2}[01][0-9][0-3][0-9]\.[0-2][0-9]([0-5][0-9]){2}(-[0-9]{1,3})?"
)
"""Maven's: `1.5.0-20241129.153045-3`."""
_PSEUDO: Final = rf"v[0-9]{{1,2}}(\.[0-9]{{1,3}}){{2}}-([a-z]{{1,8}}\.)?(0\.)?{_STAMP}-[0-9a-f]{{12}}(\+incompatible)?"
"""Go's: https://go.dev/ref/mod#pseudo-versions."""
_BROWSER: Final = r"1[0-9]{2}\.0\.[0-9]{4}\.[0-9]{1,3}"
_DATE: Final = (
    r"([a-z]{1,12}-)?20[0-9]{2}[._-]?(0[1-9]|1[0-2])[._-]?(0[1-9]|[12][0-9]|3[01])"
    r"([._T-][0-9]{1,6}Z?|T?[0-2][0-9][0-5][0-9]([0-5][0-9])?Z?|\+deb[0-9]{1,2}u[0-9]{1,2})?"
)
"""Two digits more, and it would be a phone number of America's."""
_COUNTED: Final = "([A-Za-z]{1,12}[._-])?[0-9]{1,6}"
_UUID: Final = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAMED: Final = f"([._/+-]{{0,2}}[A-Za-z]{{1,20}}[._/+-]{{0,2}}[0-9]{{0,4}}){{1,6}}([._-][0-9]{{1,3}})?{_BUILD}"
"""`build-4231`, `main`, `sha-5c1f2e9`."""

VERSION: Final = FieldPrivacy(
    Category.OPERATIONAL,
    pattern="|".join(
        (
            _NUMBERED,
            _SEMANTIC,
            _DOTNET,
            _REDHAT,
            _SNAPSHOT,
            _PSEUDO,
            _BROWSER,
            _DATE,
            _COUNTED,
            f"g?({_COMMIT})",
            _UUID,
            _NAMED,
        )
    ),
    without=(Detector.IP, Detector.PHONE),
)
