"""URL handling against the WHATWG standard's rules."""

from __future__ import annotations

import importlib
import os
from typing import Any

import ada_url
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mediascrape.errors import (
    InvalidURLError,
    MissingHostError,
    UnsupportedSchemeError,
    URLCredentialsError,
    URLTooLongError,
)
from mediascrape.scrape import urls
from mediascrape.scrape.urls import is_normal, join_url, normalize_url, plain_is_final, plain_joined

BASE = "https://example.com/a/b/page.html?q=1"

url_text = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["http://", "https://", "HTTP:/", "https:\\\\", "//", "/", "", "?", "http:"]),
        st.sampled_from(
            ["example.com", "EX.com:80", "xn--mnchen-3ya.de", "a.0x7f", "[::1]:8", "1.2", "", "ü.de"]
        ),
        st.text("/\\.%2eE?#@:aZ0ü \t|^'\"<>{}[]`&=~-_+,;!$*()\ud800", max_size=24),
    ),
)


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("http://example.com", "http://example.com/"),
        ("  HTTPS://EXAMPLE.com:443/a/../b#frag\n", "https://example.com/b"),
        ("https://exa\tmple.com/a\n/b", "https://example.com/a/b"),
        ("http:\\\\example.com\\x.gif", "http://example.com/x.gif"),
        ("https://münchen.de/ü?ü", "https://xn--mnchen-3ya.de/%C3%BC?%C3%BC"),
        ("https://example.com/a b?", "https://example.com/a%20b?"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[::0:1]/", "http://[::1]/"),
        ("https://example.com/%2e%2E/x", "https://example.com/x"),
    ],
)
def test_normal_form(raw: str, normal: str) -> None:
    assert normalize_url(raw) == normal


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ("", InvalidURLError),
        ("example.com", InvalidURLError),
        ("/a/b", InvalidURLError),
        ("http://exa mple.com/", InvalidURLError),
        ("http://example.com:99999/", InvalidURLError),
        ("ftp://example.com/", UnsupportedSchemeError),
        ("javascript:alert(1)", UnsupportedSchemeError),
        ("http://", MissingHostError),
        ("https:///?x", MissingHostError),
        ("http://user@example.com/", URLCredentialsError),
        ("http://user:pw@example.com/", URLCredentialsError),
        ("https://example.com/" + "a" * 8192, URLTooLongError),
        ("https://example.com/" + "ü" * 2000, URLTooLongError),
    ],
)
def test_refused(raw: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        normalize_url(raw)
    assert type(caught.value) is error


@given(url_text)
def test_normalising_twice_is_normalising_once(raw: str) -> None:
    try:
        once = normalize_url(raw)
    except InvalidURLError:
        return
    assert normalize_url(once) == once
    assert "#" not in once
    assert once.isascii()


@given(url_text)
def test_the_short_cuts_agree_with_the_parser(ref: str) -> None:
    scalar = ref.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for base in (BASE, "http://127.0.0.1:8000/x/", "https://xn--mnchen-3ya.de/p"):
        try:
            expected = ada_url.join_url(base, scalar)
        except ValueError:
            expected = None
        assert join_url(base, ref) == expected


number = st.integers(0, 300).map(str) | st.sampled_from(["00", "010", "0x7f", ""])
host = (
    st.lists(number, min_size=3, max_size=5).map(".".join)
    | st.sampled_from(["example.com", "a.1", "1.a", "xn--a.b", "127.0.0.1.", "localhost", "a_b.c"])
    | st.from_regex(r"[a-z0-9.-]{1,12}", fullmatch=True)
)
port = st.just("") | st.integers(0, 70_000).map(":{}".format) | st.sampled_from([":", ":080", ":80", ":443"])


@given(st.sampled_from(["http", "https"]), host, port)
def test_the_short_cuts_know_which_origins_the_parser_leaves_alone(scheme: str, host: str, port: str) -> None:
    raw = f"{scheme}://{host}{port}/p"
    try:
        expected = ada_url.normalize_url(raw)
    except ValueError:
        with pytest.raises(InvalidURLError):
            normalize_url(raw)
        return
    assert normalize_url(raw) == expected
    assert join_url(raw, "/q?r") == ada_url.join_url(raw, "/q?r")


@pytest.fixture(scope="session")
def compiled() -> Any:
    try:
        return importlib.import_module("mediascrape.scrape._urls")
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip("urls.py has no twin in C here")


tail = st.lists(
    st.sampled_from(
        ["/", "a", ".", "%2e", "%2E", "%2", "%", "?", "'", "[", "#", "é", "x.png", " ", "\0", "\u0100", "A"]
    ),
    max_size=8,
).map("".join)
absolute = st.builds(
    "{}://{}{}{}".format, st.sampled_from(["http", "https", "ftp", "HTTP", ""]), host, port, tail
)


@given(url_text | tail | absolute | st.builds("//{}{}{}".format, host, port, tail))
@example("http://a.b:6/")
@example("http://a.b:64999/")
@example("http://a.b:65000/")
@example("http://255.256.0.1/")
def test_the_functions_in_c_recognise_what_those_in_python_do(compiled: Any, ref: str) -> None:
    assert compiled.is_normal(ref) == plain_is_final(ref)
    for base in (BASE, "http://127.0.0.1:8000/x/", "https://xn--mnchen-3ya.de/p", "data:x", "", ref):
        if base.isascii():
            assert compiled.joined(base, ref) == plain_joined(base, ref)


@given(absolute, tail)
def test_the_functions_in_c_know_the_same_origins(compiled: Any, base: str, ref: str) -> None:
    if base.isascii():
        assert compiled.joined(base, ref) == plain_joined(base, ref)


def test_the_functions_in_c_take_texts_only(compiled: Any) -> None:
    for args in ((1, "/"), ("http://a.b/", None), ("/",)):
        with pytest.raises(TypeError):
            compiled.joined(*args)
    with pytest.raises(TypeError):
        compiled.is_normal(b"/")
    assert compiled.is_normal is urls._is_final


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/p", "https://10.255.249.199:8443/p", "http://example.com:60000/"]
)
def test_addresses_and_ports_need_no_parser(url: str) -> None:
    assert is_normal(url)


@pytest.mark.parametrize(
    ("ref", "joined"),
    [
        ("../i.png", "https://example.com/a/i.png"),
        ("/i.png?a=1", "https://example.com/i.png?a=1"),
        ("//cdn.example.net/i.png", "https://cdn.example.net/i.png"),
        ("?x", "https://example.com/a/b/page.html?x"),
        ("data:image/png,x", "data:image/png,x"),
        ("//:0", None),
    ],
)
def test_join(ref: str, joined: str | None) -> None:
    assert join_url(BASE, ref) == joined
