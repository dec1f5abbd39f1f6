from __future__ import annotations

import gzip

import pytest

from command_line import CommandLine

BASE = ("--base-url", "https://example.org/")
PAGE = b'<img src="/a.png" alt="A">'


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
async def test_a_document_s_media_are_printed(mediascrape: CommandLine, packed: bool) -> None:
    path = mediascrape.directory / "page.html"
    path.write_bytes(gzip.compress(PAGE) if packed else PAGE)
    result = await mediascrape.run("extract", str(path), *BASE)
    assert result.status == 0, result.err
    (record,) = result.lines()
    assert (record["url"], record["via"], record["alt"]) == ("https://example.org/a.png", "img.src", "A")


async def test_a_page_without_media_is_no_failure(mediascrape: CommandLine) -> None:
    for text in ("", "<p>words</p>", "words"):
        result = await mediascrape.run("extract", "-", *BASE, stdin=text)
        assert (result.status, result.out, result.err) == (0, "", "")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "unsupported_content: image/png"),
        (bytes(range(32)) * 10, "unsupported_content: application/octet-stream"),
        (gzip.compress(PAGE)[:20], "content_decoding: "),
        (b"".join(b'<img src="%d.png">' % number for number in range(20_001)), "document_too_complex: "),
    ],
    ids=["picture", "binary", "cut", "many"],
)
async def test_a_document_that_cannot_be_read_is_named(
    mediascrape: CommandLine, document: bytes, reason: str
) -> None:
    path = mediascrape.directory / "page.html"
    path.write_bytes(document)
    result = await mediascrape.run("extract", str(path), *BASE)
    assert (result.status, result.out) == (3, "")
    assert reason in result.err


async def test_a_file_of_one_s_own_may_be_larger_than_any_page_fetched(mediascrape: CommandLine) -> None:
    path = mediascrape.directory / "page.html"
    path.write_bytes(PAGE + b"<p>words</p>\n" * 3_000_000)
    result = await mediascrape.run("extract", str(path), *BASE)
    assert (result.status, len(result.lines())) == (0, 1)


async def test_a_file_without_end_is_refused(mediascrape: CommandLine) -> None:
    result = await mediascrape.run("extract", "/dev/zero", *BASE)
    assert (result.status, result.out) == (3, "")
    assert "body_too_large: " in result.err


@pytest.mark.parametrize("url", ["", "page.html", "ftp://example.org/"])
async def test_a_base_url_that_is_none_is_wrong_usage(mediascrape: CommandLine, url: str) -> None:
    result = await mediascrape.run("extract", "-", "--base-url", url, stdin="<img src=a.png>")
    assert result.status == 2
    assert "--base-url" in result.err
