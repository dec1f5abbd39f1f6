from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediascrape.scrape.content import Declared, classify, is_binary, looks_like_markup, sniff


@pytest.mark.parametrize(
    ("essence", "meaning"),
    [
        ("text/html", Declared.PAGE),
        ("application/xhtml+xml", Declared.PAGE),
        ("application/rss+xml", Declared.PAGE),
        ("application/atom+xml", Declared.PAGE),
        ("text/xml", Declared.PAGE),
        ("image/svg+xml", "image"),
        ("image/webp", "image"),
        ("video/mp4", "video"),
        ("application/vnd.apple.mpegurl", "video"),
        ("audio/mpeg", "audio"),
        (None, Declared.UNKNOWN),
        ("application/octet-stream", Declared.UNKNOWN),
        ("application/json", Declared.OTHER),
        ("application/pdf", Declared.OTHER),
        ("text/plain", Declared.OTHER),
    ],
)
def test_declared_types(essence: str | None, meaning: object) -> None:
    assert classify(essence) == meaning


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"\x89PNG\r\n\x1a\n....", ("image/png", "image")),
        (b"\xff\xd8\xff\xe0....JFIF", ("image/jpeg", "image")),
        (b"GIF89a....", ("image/gif", "image")),
        (b"RIFF....WEBPVP8 ", ("image/webp", "image")),
        (b"RIFF....WAVEfmt ", ("audio/wave", "audio")),
        (b"....ftypisom....", ("video/mp4", "video")),
        (b"....ftypM4A ....", ("audio/mp4", "audio")),
        (b"....ftypavif....", ("image/avif", "image")),
        (b"\x1a\x45\xdf\xa3....webm", ("video/webm", "video")),
        (b"ID3\x04....", ("audio/mpeg", "audio")),
        (b"OggS....", ("application/ogg", "video")),
        (b"%PDF-1.7", ("application/pdf", None)),
        (b"PK\x03\x04....", ("application/zip", None)),
        (bytes(range(256)) * 4, ("application/octet-stream", None)),
        (b"<!doctype html>", None),
        (b"BMW announces a new car", None),
        (
            b"From: <Saved by Blink>\r\nSubject: A\r\n b\r\nContent-Type: multipart/related;\r\n\tboundary=x\r\n\r\n",
            ("multipart/related", None),
        ),
        (b"A text: about content-type: multipart/related\n", None),
        (b"Content-Type: text/html\r\n\r\ncontent-type: multipart/related", None),
        (b"....WEBP is a format", None),
        (b"", None),
    ],
)
def test_sniffing(head: bytes, found: object) -> None:
    assert sniff(head) == found


@given(
    st.text(st.characters(blacklist_categories=["Cc", "Cs"]), min_size=1),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
)
def test_text_is_never_binary(text: str, encoding: str) -> None:
    page = "<!doctype html><title>a page of some length</title>\n" * 4 + text
    assert not is_binary(page.encode(encoding))


@pytest.mark.parametrize(
    "encoding", ["shift_jis", "euc_jp", "iso2022_jp", "gb18030", "big5", "euc_kr", "koi8_r", "cp1252"]
)
def test_old_encodings_are_text(encoding: str) -> None:
    words = {"koi8_r": "Привет, мир. ", "cp1252": "Grüße, “Welt”. ", "euc_kr": "안녕하세요. "}.get(
        encoding, "日本語中文。"
    )
    assert not is_binary((words * 60).encode(encoding))


@given(st.binary(min_size=64, max_size=2000))
def test_half_a_document_of_zeros_is_binary(noise: bytes) -> None:
    assert is_binary(bytes(len(noise)) + noise) or noise.count(0) > 0


@pytest.mark.parametrize(
    ("head", "markup"),
    [
        (b"\n  <html>", True),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", True),
        ("<html>".encode("utf-16"), True),
        (b"plain", False),
        (b"", False),
        (b"{}", False),
    ],
)
def test_markup(head: bytes, markup: bool) -> None:
    assert looks_like_markup(head) is markup
