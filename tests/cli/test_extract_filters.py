from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mediascrape.cli.extract import extract_command

PAGE = """
<img src=a.png width=10 height=10><img src=b.jpg width=500><video src=v.mp4></video><link rel=icon href=i.ico>
<img src=//ads.example/c.jpg><img src=/blank.gif>
<script type="application/json">{"x": "https://example.org/d.webp"}</script>
"""


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("", "a.png b.jpg v.mp4 i.ico c.jpg blank.gif"),
        ("--kind video", "v.mp4"),
        ("--kind video --kind image --content-only", "a.png b.jpg v.mp4 c.jpg"),
        ("--min-width 100", "b.jpg v.mp4 i.ico c.jpg blank.gif"),
        ("--min-height 11", "b.jpg v.mp4 i.ico c.jpg blank.gif"),
        ("--host ads.example", "c.jpg"),
        ("--deny-host ads.example --deny-host other.example", "a.png b.jpg v.mp4 i.ico blank.gif"),
        ("--extension JPG --extension .mp4", "b.jpg v.mp4 c.jpg"),
        ("--deep", "a.png b.jpg v.mp4 i.ico c.jpg blank.gif d.webp"),
    ],
)
def test_each_filter(tmp_path: Path, options: str, names: str) -> None:
    file = tmp_path / "page.html"
    file.write_text(PAGE)
    arguments = [str(file), "--base-url", "https://example.org/", *options.split()]
    result = CliRunner().invoke(extract_command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    urls = [json.loads(line)["url"] for line in result.stdout.splitlines()]
    assert [url.rpartition("/")[2] for url in urls] == names.split()
