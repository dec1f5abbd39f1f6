"""Pages for the simulated origin, made from a seed.

The same (seed, number, size) always gives the same bytes, so a run can be repeated and what a
scraper found can be compared with what the page holds (`GeneratedPage.media`). All references are
relative: one document served at `/p/1/` and `/p/2/` names different media, so that a few documents
in memory stand for any number of pages with media of their own.
"""

from __future__ import annotations

import html
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

_WORDS: Final = """
    harbour lantern orchard granite meadow whistle copper saddle river window marble thunder
    pocket garden velvet canyon silver basket compass feather timber island market bridge candle
    winter summer engine paper letter violin kettle anchor forest yellow quiet narrow bright
    hollow gentle ancient distant open under across beneath beside toward between
""".split()  # noqa: SIM905 - readable
_WIDTHS: Final = (320, 640, 960, 1280, 1920)


@dataclass(frozen=True, slots=True)
class GeneratedPage:
    """A document and the references (relative URLs) of all media in it, each once, by kind."""

    html: bytes
    media: dict[str, str]


@dataclass(slots=True)
class _Writer:
    """The document in the making: text so far, its length, and the media it names."""

    rng: random.Random
    parts: list[str] = field(default_factory=list)
    length: int = 0
    media: dict[str, str] = field(default_factory=dict)
    counter: int = 0

    def write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)

    def name(self, kind: str, folder: str, extension: str) -> str:
        """A new reference, noted as media of `kind`."""
        self.counter += 1
        reference = f"{folder}/{self.rng.choice(_WORDS)}-{self.counter}.{extension}"
        self.media[reference] = kind
        return reference

    def image(self, extension: str = "jpg") -> str:
        return self.name("image", "images", extension)

    def srcset(self, extension: str = "jpg") -> str:
        return ", ".join(f"{self.image(extension)} {width}w" for width in _WIDTHS[: self.rng.randint(2, 5)])

    def words(self, count: int) -> str:
        return " ".join(self.rng.choices(_WORDS, k=count))


def _plain_image(w: _Writer) -> str:
    width = w.rng.choice(_WIDTHS)
    return (
        f'<img src="{w.image()}" alt="{w.words(4)}" width="{width}" height="{width * 2 // 3}" loading="lazy">'
    )


def _srcset_image(w: _Writer) -> str:
    sizes = "(max-width: 60em) 100vw, 50vw"
    return f'<img src="{w.image()}" srcset="{w.srcset()}" sizes="{sizes}" alt="{w.words(3)}">'


def _lazy_image(w: _Writer) -> str:
    return f'<img class="lazyload" data-src="{w.image()}" data-srcset="{w.srcset()}" alt="{w.words(3)}">'


def _picture(w: _Writer) -> str:
    return (
        f'<picture><source type="image/avif" srcset="{w.srcset("avif")}">'
        f'<source type="image/webp" srcset="{w.srcset("webp")}">'
        f'<img src="{w.image()}" alt="{w.words(5)}"></picture>'
    )


def _figure(w: _Writer) -> str:
    return f"<figure>{_srcset_image(w)}<figcaption>{w.words(9)}.</figcaption></figure>"


def _video(w: _Writer) -> str:
    return (
        f'<video controls poster="{w.image()}" width="1280" height="720">'
        f'<source src="{w.name("video", "video", "webm")}" type="video/webm">'
        f'<source src="{w.name("video", "video", "mp4")}" type="video/mp4"></video>'
    )


def _audio(w: _Writer) -> str:
    return f'<audio controls><source src="{w.name("audio", "audio", "mp3")}" type="audio/mpeg"></audio>'


def _iframe(w: _Writer) -> str:
    w.counter += 1
    reference = f"https://www.youtube-nocookie.com/embed/{w.rng.randrange(36**10):011d}"
    w.media[reference] = "embed"
    return (
        f'<iframe src="{reference}" title="{w.words(3)}" width="560" height="315" allowfullscreen></iframe>'
    )


def _background(w: _Writer) -> str:
    return f'<div class="hero" style="background-image: url({w.image()})"><h2>{w.words(4)}</h2></div>'


# Shares close to what saved news and blog pages show: images first, embeds and audio rare.
_MEDIA: Final[tuple[tuple[Callable[[_Writer], str], int], ...]] = (
    (_plain_image, 40),
    (_srcset_image, 20),
    (_lazy_image, 14),
    (_figure, 10),
    (_picture, 8),
    (_background, 4),
    (_video, 2),
    (_iframe, 1),
    (_audio, 1),
)


def _head(w: _Writer, title: str) -> str:
    poster = w.image()
    document = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": title,
        "image": [w.image(), w.image()],
        "video": {
            "@type": "VideoObject",
            "name": w.words(3),
            "thumbnailUrl": w.image(),
            "contentUrl": w.name("video", "video", "mp4"),
        },
    }
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>"
        f'<meta property="og:title" content="{html.escape(title)}">'
        f'<meta property="og:image" content="{poster}">'
        f'<meta name="twitter:image" content="{poster}">'
        f'<link rel="icon" href="{w.image("png")}"><link rel="apple-touch-icon" href="{w.image("png")}">'
        f'<script type="application/ld+json">{json.dumps(document)}</script>'
        f"<style>{_style(w)}</style></head>\n<body>"
    )


def _style(w: _Writer) -> str:
    rng = w.rng
    return "".join(
        f".{rng.choice(_WORDS)}-{n}{{margin:{rng.randint(1, 30)}px;color:#{rng.randrange(16**6):06x}}}\n"
        for n in range(40)
    )


def _navigation(w: _Writer) -> str:
    links = "".join(f'<li class="item"><a href="../{n}/">{w.words(2)}</a></li>' for n in range(12))
    return f'<nav aria-label="{w.words(1)}"><ul class="menu">{links}</ul></nav>\n'


def _paragraph(w: _Writer) -> str:
    link = f'<a href="../{w.rng.randrange(9999)}/">{w.words(3)}</a>'
    return f'<p class="text">{w.words(45)} {link} {w.words(20)}.</p>\n'


def _script(w: _Writer) -> str:
    state = {w.rng.choice(_WORDS): w.words(6) for _ in range(12)}
    return f"<script>window.state = Object.assign(window.state || {{}}, {json.dumps(state)});</script>\n"


def _sections(w: _Writer) -> Iterator[str]:
    """Endless page body. About 60 media in 200 KB; saved news and blog pages hold 34 on average."""
    makers = [maker for maker, _ in _MEDIA]
    weights = [weight for _, weight in _MEDIA]
    while True:
        yield f"<section><h2>{w.words(5)}</h2>\n"
        yield w.rng.choices(makers, weights)[0](w) + "\n"
        for _ in range(w.rng.randint(10, 20)):
            yield _paragraph(w)
            if w.rng.random() < 0.3:
                yield w.rng.choice((_navigation, _script))(w)
        yield "</section>\n"


def generate_page(number: int, *, seed: int = 0, size: int = 200_000) -> GeneratedPage:
    """Page `number` of `seed`, of at least `size` bytes and at most a few kilobytes more."""
    w = _Writer(random.Random(f"{seed}/{number}"))
    w.write(_head(w, f"{w.words(5)} {number}"))
    for part in _sections(w):
        w.write(part)
        if w.length >= size and part == "</section>\n":
            break
    w.write("</body></html>\n")
    return GeneratedPage("".join(w.parts).encode(), dict(w.media))


def generate_pages(count: int, *, seed: int = 0, mean_size: int = 200_000) -> list[GeneratedPage]:
    """`count` pages whose sizes are spread log-normally (sigma 0.7) about a mean of `mean_size` bytes.

    Real pages are spread that way: most are smaller than the mean, a few several times larger.
    """
    rng = random.Random(f"{seed}/sizes")
    weights = [rng.lognormvariate(0, 0.7) for _ in range(count)]
    scale = mean_size * count / sum(weights)
    return [generate_page(n, seed=seed, size=int(weight * scale)) for n, weight in enumerate(weights)]
