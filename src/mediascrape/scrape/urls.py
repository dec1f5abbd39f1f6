"""URLs by the WHATWG standard, as a browser reads them.

The parser is Ada (through `ada-url`), the one Node.js uses: `urllib.parse` follows RFC 3986 and differs
on backslashes, tabs and newlines, IDNA, dot segments and empty queries, so that it would fetch other
URLs than a browser shows. Ada costs 2.5 to 3 microseconds a URL; most URLs are already in the form the
parser would give, and a regular expression that recognises this costs a quarter of it. `_urls.c` does the
same in C, a tenth of that; it is used where it could be compiled, and the tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import ada_url

from mediascrape.errors import (
    InvalidURLError,
    MissingHostError,
    UnsupportedSchemeError,
    URLCredentialsError,
    URLTooLongError,
)

#: Characters that the standard's path state leaves as they are, and those of its special-query state.
_PATH_CHARS: Final = r"!$%&'()*+,\-./0-9:;=@A-Z_a-z~"
_QUERY_CHARS: Final = r"!$%&()*+,\-./0-9:;=@A-Z_a-z~?\[\]|{}`^\\"
#: Path segments and query in their final form: no segment begins with a dot, nothing is to be escaped.
_FINAL_TAIL: Final = rf"(?:/(?!\.|%2[eE])[{_PATH_CHARS.replace('/', '')}]*)+(?:\?[{_QUERY_CHARS}]*)?"
#: A name that cannot be an IPv4 address in disguise, an IDN, or in need of lower-casing.
_FINAL_NAME: Final = r"(?:(?!xn--)[a-z0-9_-]+\.)+(?!xn--)[a-z][a-z0-9-]*"
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#: No port is the scheme's own, which would be dropped; nor are all others recognised. No user.
_FINAL_PORT: Final = r":(?!(?:80|443)/)(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3})"
_FINAL_ORIGIN: Final = rf"https?://(?:{_FINAL_NAME}|(?:{_OCTET}\.){{3}}{_OCTET})(?:{_FINAL_PORT})?"
_match_final: Final = re.compile(_FINAL_ORIGIN + _FINAL_TAIL).fullmatch
_match_final_tail: Final = re.compile(_FINAL_TAIL).fullmatch
_origin_of_final: Final = re.compile(rf"{_FINAL_ORIGIN}(?=/)").match

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_NO_HOST: Final = re.compile(r"https?:[/\\]*(?:[?#]|\Z)", re.IGNORECASE)
_LOGIN: Final = re.compile(r"\A(\s*[A-Za-z][A-Za-z0-9+.\-]*:[/\\]*)[^/\\?#]*@")
_REMOVED: Final = str.maketrans("", "", "\t\n\r")
_C0_AND_SPACE: Final = "".join(map(chr, range(0x21)))
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


def plain_is_final(text: str) -> bool:
    """`is_normal` in Python."""
    return _match_final(text) is not None


def plain_joined(base: str, ref: str) -> str | None:
    """`join_url` of what needs no parser, in Python; None of what does."""
    if _match_final(ref):
        return ref
    if ref.startswith("//"):
        whole = base[: base.find(":") + 1] + ref
        return whole if _match_final(whole) else None
    origin = _origin_of_final(base) if _match_final_tail(ref) else None
    return None if origin is None else origin[0] + ref


def _recognisers() -> tuple[Callable[[str], bool], Callable[[str, str], str | None]]:
    try:
        from mediascrape.scrape import _urls
    except ImportError:  # there was no C compiler
        return plain_is_final, plain_joined
    return _urls.is_normal, _urls.joined


_RECOGNISERS: Final = _recognisers()
_is_final: Final = _RECOGNISERS[0]
_joined: Final = _RECOGNISERS[1]


def is_normal(text: str) -> bool:
    """Whether a text is an absolute http(s) URL that the parser would leave as it is; some are not recognised."""
    return _is_final(text)


def normalize_url(raw: str, *, max_length: int = 8192) -> str:
    """The one spelling of a page's URL, under which it is queued, stored and deduplicated.

    The fragment is dropped: it is never sent. `normalize_url(normalize_url(x)) == normalize_url(x)`.
    Raises a subclass of InvalidURLError, or itself when the text is no absolute URL. `max_length` is in
    characters, of the text given and of the result.
    """
    if _is_final(raw) and len(raw) <= max_length:
        return raw
    text = raw.strip(_C0_AND_SPACE).translate(_REMOVED)
    if len(text) > max_length:
        raise URLTooLongError(f"the URL is longer than {max_length} characters")
    scheme = _SCHEME.match(text)
    if scheme is None:
        raise InvalidURLError("not an absolute URL" if text else "the URL is empty")
    if scheme[1].lower() not in _DEFAULT_PORTS:
        raise UnsupportedSchemeError(f"scheme {scheme[1][:32].lower()!r} is not http or https")
    if _NO_HOST.match(text):
        raise MissingHostError("the URL names no host")
    url = _parse(text, None)
    if url is None:
        raise InvalidURLError("not a URL by the WHATWG standard")
    url = url.partition("#")[0]
    if "@" in url.split("/", 3)[2]:
        raise URLCredentialsError("the URL carries a user name or password")
    if len(url) > max_length:
        raise URLTooLongError(f"the URL is longer than {max_length} characters")
    return url


def without_credentials(text: str) -> str:
    """A text that may be a URL, its user name and password blotted out; for records and logs."""
    return _LOGIN.sub(r"\1***@", text, count=1)


def join_url(base: str, ref: str) -> str | None:
    """What `ref` means in a document whose base is `base` (absolute), or None when it is no URL.

    Any scheme may come out, and a fragment is kept.
    """
    return _joined(base, ref) or _parse(ref, base)


def _parse(text: str, base: str | None) -> str | None:
    try:
        return ada_url.normalize_url(text) if base is None else ada_url.join_url(base, text)
    except ValueError:
        pass
    try:
        text.encode()
    except UnicodeEncodeError:
        # The standard takes scalar values: a lone surrogate reads as U+FFFD.
        return _parse(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), base)
    return None
