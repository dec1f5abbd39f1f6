"""Which encoding a document is in when it does not say so, and how East Asian ones are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.scrape.extract import extract
from mediascrape.scrape.extract.multibyte import MAX_ERRORS, decode_multibyte, multibyte_to_utf8

MULTIBYTE = ("gb18030", "big5hkscs", "cp949", "cp932", "euc_jp")


def read_as(body: bytes, url: str = "https://example.org/") -> tuple[str, str | None]:
    document = extract(body, base_url=url)
    return document.encoding, document.title


@pytest.mark.parametrize(
    ("domain", "text", "codec", "encoding"),
    [
        ("ru", "Привет, мир", "cp1251", "windows-1251"),
        ("ru", "Привет, мир", "koi8-r", "koi8-r"),
        ("com.ua", "Київ", "cp1251", "windows-1251"),
        ("gr", "Καλημέρα", "iso8859-7", "iso-8859-7"),
        ("cz", "Příliš žluťoučký", "cp1250", "windows-1250"),
        ("pl", "Zażółć gęślą", "iso8859-2", "iso-8859-2"),
        ("co.il", "שלום", "cp1255", "windows-1255"),
        ("ne.jp", "こんにちは", "cp932", "shift_jis"),
        ("ne.jp", "こんにちは", "euc_jp", "euc-jp"),
        ("kr", "안녕하세요", "cp949", "euc-kr"),
        ("cn", "你好，世界", "gbk", "gbk"),
        ("tw", "你好，世界", "big5", "big5"),
        ("de", "Grüße", "cp1252", "windows-1252"),
        ("ar", "Información", "cp1252", "windows-1252"),
        ("be", "Été", "cp1252", "windows-1252"),
    ],
)
def test_a_document_that_declares_nothing_is_in_its_country_s_encoding(
    domain: str, text: str, codec: str, encoding: str
) -> None:
    body = f"<title>{text}</title>".encode(codec)
    assert read_as(body, f"https://example.{domain}/") == (encoding, text)


def test_the_document_s_language_tells_more_than_its_domain() -> None:
    body = "<html dir=ltr lang='ru-RU'><title>Привет</title>".encode("cp1251")
    assert read_as(body, "https://example.cz/") == ("windows-1251", "Привет")


def test_a_document_cut_within_a_character_keeps_its_encoding() -> None:
    assert read_as("<title>日本</title><p>語".encode("euc_jp")[:-1], "https://example.jp/")[0] == "euc-jp"


def test_what_is_utf_8_is_utf_8_in_any_country() -> None:
    assert read_as("<title>Привет</title>".encode(), "https://example.ru/") == ("utf-8", "Привет")


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_needs_no_byte_order_mark(codec: str) -> None:
    document = extract("<title>Grüße</title><img src=/ä.png>".encode(codec), base_url="https://example.org/")
    assert (document.title, document.encoding) == ("Grüße", codec.replace("-le", "le").replace("-be", "be"))
    assert [item.url for item in document.items] == ["https://example.org/%C3%A4.png"]


@pytest.mark.parametrize(
    ("codec", "body", "text"),
    [
        # A second byte that is ASCII is kept, any other is lost with the first.
        ("cp949", b"\xff<b>\xc9<i>", "\ufffd<b>\ufffd<i>"),
        ("cp949", b"\xeb\xa8a\xeb\x81a", "癒a\ufffda"),
        ("cp949", b"\x81\xffa", "\ufffda"),
        ("big5hkscs", b"\x81\xfea", "\ufffda"),
        ("cp932", b"\xa0\xfda\x81\xff", "\ufffd\ufffda\ufffd"),
        ("gb18030", b"\x80 \xff1", "€ \ufffd1"),
        ("gb18030", b"\xe3\x32\x9a\x36a \x81\x30 a", "\ufffda \ufffd0 a"),
        # Characters that only Windows has.
        ("euc_jp", b"\xad\xa1\xad\xea", "①㈱"),
        ("euc_jp", b"\x8f\xff\xa4\xa2", "\ufffdあ"),
    ],
)
def test_what_cannot_be_read_is_skipped_as_the_standard_says(codec: str, body: bytes, text: str) -> None:
    assert decode_multibyte(body, codec) == text


@given(st.binary(max_size=40), st.sampled_from(MULTIBYTE))
def test_any_bytes_are_read_to_their_end(body: bytes, codec: str) -> None:
    """No byte of ASCII is lost behind an error, and what has no error is as Python reads it."""
    text = decode_multibyte(body + b"<end>", codec)
    assert text.endswith("<end>")
    if "\ufffd" not in (plain := body.decode(codec, "replace")) and codec != "cp932":
        assert text[:-5] == plain


def test_a_document_of_errors_is_read_once() -> None:
    assert decode_multibyte(b"\xff" * (MAX_ERRORS + 1), "cp949") == "\ufffd" * (MAX_ERRORS + 1)


@given(
    st.sampled_from(["gb18030", "big5hkscs", "cp949", "cp932", "euc_jp", "iso2022_jp", "utf-16le"]),
    st.lists(
        st.text("中文かなカナ한국字€<p> a1\\~", max_size=8)
        | st.binary(max_size=3)
        | st.sampled_from([b"\x81\x30\x81\x30", b"\x81\x40", b"\xa0\xfd", b"\x8f", b"\n", b"\r"]),
        max_size=8,
    ),
)
def test_lines_can_be_decoded_by_themselves(codec: str, parts: list[str | bytes]) -> None:
    body = b"".join(part if isinstance(part, bytes) else part.encode(codec, "ignore") for part in parts)
    assert multibyte_to_utf8(body, codec) == decode_multibyte(body, codec).encode("utf-8", "replace")
