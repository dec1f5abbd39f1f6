"""The sample site's pages, made from their number. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from random import Random

from mediascrape.web.demo_site.art import MOTIFS

PAGES = 120
#: Paths that fail on purpose, so that there is something to look into.
FAILING = ("/gone/old-exhibition", "/broken/archive", "/broken/newsletter", "/report.pdf")

_WORDS: dict[str, tuple[str, ...]] = {
    "mountains": ("First light on the ridge", "Hills in haze", "The long way down", "A valley before rain"),
    "sea": ("Moonrise over the bay", "Slack water", "The last ferry", "Swell from the west"),
    "tiles": ("Truchet study", "Floor of the old station", "A pattern that never closes", "Loose ends"),
    "rings": ("Targets", "Sixteen planets", "Tins on a shelf", "Ripples"),
    "city": ("Windows at dusk", "The quarter by the canal", "Late shift", "Roofs after the storm"),
    "flowers": ("Meadow in June", "Pressed blossoms", "Wallpaper, third try", "The neighbour's garden"),
    "stars": ("An unnamed constellation", "Clear night", "Seven points of light", "Looking south"),
    "blocks": ("Plan of a house", "Fields from above", "Composition with gaps", "Divided square"),
}
_SECTIONS = {
    "mountains": "Landscapes", "sea": "Landscapes", "tiles": "Patterns", "rings": "Patterns",
    "city": "Places", "flowers": "Nature", "stars": "Nature", "blocks": "Patterns",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture of a page."""

    motif: str
    number: int
    title: str

    @property
    def path(self) -> str:
        return f"/art/{self.motif}-{self.number}.jpg"


def exhibits(page: int) -> list[Exhibit]:
    """The pictures of a page, three to six of its own motif and one guest."""
    random = Random(page)
    motif = list(MOTIFS)[page % len(MOTIFS)]
    guest = random.choice(list(MOTIFS))
    shown = [
        Exhibit(motif, page * 10 + index, f"{random.choice(_WORDS[motif])}, no. {page * 10 + index}")
        for index in range(random.randint(3, 6))
    ]
    shown.append(Exhibit(guest, page % 12, f"{_WORDS[guest][page % 4]}, no. {page % 12}"))
    return shown


def page_html(page: int) -> str:
    """A page of the exhibition."""
    shown = exhibits(page)
    hero, *others = shown
    title = f"{hero.title} · {_SECTIONS[hero.motif]}"
    figures = "".join(
        f'<figure><img src="{one.path}" alt="{escape(one.title)}" width="480" height="360" loading="lazy">'
        f"<figcaption>{escape(one.title)}</figcaption></figure>"
        for one in others
    )
    extras = []
    if page % 7 == 0:
        extras.append(
            f'<video src="/film/{"lights" if page % 2 else "drift"}.webm" poster="{hero.path}" '
            f'width="320" height="240" controls title="A short film, {escape(hero.title)}"></video>'
        )
    if page % 6 == 0:
        extras.append(f'<audio src="/sound/{page}.wav" controls title="Room tone {page}"></audio>')
    if page % 15 == 0:
        extras.append(f'<iframe src="/tour/{page}" title="Walk through room {page}"></iframe>')
    if page % 11 == 0:
        extras.append(
            '<p><img src="/art/lost.jpg" alt="A picture that was lost" width="480" height="360"></p>'
        )
    return _document(
        title,
        f'<meta property="og:image" content="{hero.path}">'
        f'<meta property="og:title" content="{escape(title)}">',
        f"<h1>{escape(hero.title)}</h1>"
        f'<img src="{hero.path}" alt="{escape(hero.title)}" width="480" height="360">'
        f"{figures}{''.join(extras)}",
    )


def index_html() -> str:
    """Links to all pages."""
    links = "".join(
        f'<li><a href="/page/{page}">{escape(exhibits(page)[0].title)}</a></li>'
        for page in range(1, PAGES + 1)
    )
    return _document("A small exhibition", "", f"<h1>A small exhibition</h1><ul>{links}</ul>")


def _document(title: str, head: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>{head}'
        f"</head><body><main>{body}</main></body></html>"
    )


def paths() -> list[str]:
    """All pages, the failing ones among them."""
    found = [f"/page/{page}" for page in range(1, PAGES + 1)]
    for index, path in enumerate(FAILING):
        found.insert(8 + 23 * index, path)
    return found
