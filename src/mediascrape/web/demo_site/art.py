"""Pictures drawn from a number: the same number gives the same picture. No I/O.

Every motif draws at twice the wanted size; scaling down smooths the edges, which Pillow's own
drawing does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
SCALE = 2

#: From the sky or ground to the details, dark or light alike.
PALETTES: tuple[tuple[str, ...], ...] = (
    ("#fde8c9", "#f7b267", "#f4845f", "#b56576", "#355070"),
    ("#0b132b", "#1c2541", "#3a506b", "#5bc0be", "#f2f5ea"),
    ("#f1faee", "#a8dadc", "#457b9d", "#1d3557", "#e63946"),
    ("#fefae0", "#dda15e", "#bc6c25", "#606c38", "#283618"),
    ("#2b2d42", "#5c5470", "#b9b4c7", "#faf0e6", "#ef8354"),
    ("#e0fbfc", "#98c1d9", "#3d5a80", "#293241", "#ee6c4d"),
    ("#f8edeb", "#fec5bb", "#d8a48f", "#84a59d", "#3d405b"),
    ("#10002b", "#3c096c", "#9d4edd", "#ff9e00", "#ffd670"),
)


@dataclass(frozen=True, slots=True)
class Canvas:
    """What a motif draws on: its size in drawn pixels, colours, and the source of chance."""

    draw: ImageDraw.ImageDraw
    width: int
    height: int
    colours: tuple[Colour, ...]
    random: Random


def picture(motif: str, seed: int, width: int, height: int) -> Image.Image:
    """The picture of a motif and a number. Raises KeyError for a motif that is none."""
    draw_motif = MOTIFS[motif]
    random = Random(f"{motif}:{seed}")
    palette = PALETTES[random.randrange(len(PALETTES))]
    size = (width * SCALE, height * SCALE)
    colours = tuple(_rgb(colour) for colour in palette)
    image = Image.new("RGB", size, colours[0])
    draw_motif(Canvas(ImageDraw.Draw(image), *size, colours, random))
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _rgb(colour: str) -> Colour:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _sky(canvas: Canvas, top: Colour, bottom: Colour) -> None:
    for y in range(canvas.height):
        canvas.draw.line([(0, y), (canvas.width, y)], mixed(top, bottom, y / canvas.height))


def _disc(canvas: Canvas, x: float, y: float, radius: float, colour: Colour) -> None:
    canvas.draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)


def _ridges(canvas: Canvas, layers: int, near: Colour, far: Colour, roughness: float) -> None:
    """Layers of hills or waves, the far ones paler."""
    width, height, random = canvas.width, canvas.height, canvas.random
    for layer in range(layers):
        depth = layer / max(1, layers - 1)
        base = height * (0.45 + 0.45 * depth)
        waves = [
            (random.uniform(0.6, 4), random.uniform(0, 7), random.uniform(0.2, 1) * roughness)
            for _ in range(4)
        ]
        points = [
            (
                x,
                base
                - height
                * sum(size * math.sin(x / width * math.tau * pace + phase) for pace, phase, size in waves),
            )
            for x in range(0, width + 8, 8)
        ]
        canvas.draw.polygon([(0, height), *points, (width, height)], fill=mixed(far, near, depth))


def mountains(canvas: Canvas) -> None:
    """Ridges before a low sun."""
    sky, glow, sun, middle, near = canvas.colours
    _sky(canvas, sky, mixed(glow, sky, 0.3))
    x, y = canvas.width * canvas.random.uniform(0.2, 0.8), canvas.height * canvas.random.uniform(0.22, 0.4)
    _disc(canvas, x, y, canvas.height * 0.1, sun)
    _ridges(canvas, 5, near, mixed(middle, glow, 0.55), 0.035)


def sea(canvas: Canvas) -> None:
    """Swell below a large moon, and its reflection."""
    far, deep, middle, near, moon = canvas.colours
    _sky(canvas, far, mixed(far, middle, 0.6))
    x, radius = canvas.width * canvas.random.uniform(0.25, 0.75), canvas.height * 0.16
    _disc(canvas, x, canvas.height * 0.28, radius, moon)
    _ridges(canvas, 7, mixed(deep, far, 0.4), mixed(near, moon, 0.25), 0.012)
    for line in range(14):
        y = canvas.height * (0.5 + 0.034 * line)
        half = radius * canvas.random.uniform(0.2, 0.9)
        canvas.draw.line([(x - half, y), (x + half, y)], mixed(near, moon, 0.7), width=5)


def tiles(canvas: Canvas) -> None:
    """Quarter circles turned by chance (after Sébastien Truchet)."""
    ground, *ink = canvas.colours
    step = canvas.height // canvas.random.choice([6, 8, 10])
    width = step // 5
    for top in range(0, canvas.height, step):
        for left in range(0, canvas.width, step):
            colour = ink[canvas.random.randrange(len(ink))]
            corners = canvas.random.choice([((0, 0), (1, 1)), ((1, 0), (0, 1))])
            for across, down in corners:
                x, y = left + across * step, top + down * step
                start = {(0, 0): 0, (1, 0): 90, (1, 1): 180, (0, 1): 270}[(across, down)]
                radius = step // 2 + width // 2
                canvas.draw.arc(
                    [x - radius, y - radius, x + radius, y + radius], start, start + 90, colour, width
                )
    canvas.draw.rectangle([0, 0, canvas.width - 1, canvas.height - 1], outline=ground, width=6)


def rings(canvas: Canvas) -> None:
    """Rows of circles in circles."""
    ground, *ink = canvas.colours
    step = canvas.height // canvas.random.choice([3, 4])
    for top in range(0, canvas.height, step):
        for left in range(0, canvas.width, step):
            back = ink[canvas.random.randrange(len(ink))]
            canvas.draw.rectangle([left, top, left + step, top + step], fill=mixed(back, ground, 0.65))
            radius = step * 0.44
            for colour in canvas.random.sample(ink, 3):
                _disc(canvas, left + step / 2, top + step / 2, radius, colour)
                radius *= canvas.random.uniform(0.5, 0.75)


def city(canvas: Canvas) -> None:
    """Houses at dusk, some windows lit."""
    sky, glow, light, middle, near = canvas.colours
    _sky(canvas, mixed(near, middle, 0.3), mixed(glow, sky, 0.2))
    for depth in (0.35, 0.65, 1.0):
        colour = mixed(mixed(glow, middle, 0.6), mixed(near, (10, 12, 24), 0.5), depth)
        left = -canvas.random.randrange(60)
        while left < canvas.width:
            width = canvas.random.randrange(90, 190)
            top = canvas.height * (1.02 - canvas.random.uniform(0.3, 0.75) * (1.25 - depth * 0.6))
            canvas.draw.rectangle([left, top, left + width, canvas.height], fill=colour)
            for y in range(int(top) + 24, canvas.height - 10, 38):
                for x in range(left + 16, left + width - 22, 32):
                    if canvas.random.random() < 0.3 * depth:
                        canvas.draw.rectangle([x, y, x + 13, y + 18], fill=mixed(light, (255, 240, 200), 0.5))
            left += width + canvas.random.randrange(4, 26)


def flowers(canvas: Canvas) -> None:
    """Blossoms of many petals."""
    ground, *ink = canvas.colours
    spots = [
        (x + canvas.random.randrange(-50, 50), y + canvas.random.randrange(-50, 50))
        for y in range(60, canvas.height + 100, 210)
        for x in range(60, canvas.width + 100, 230)
    ]
    canvas.random.shuffle(spots)
    for x, y in spots:
        petals, reach = canvas.random.randrange(6, 13), canvas.random.randrange(70, 140)
        colour = ink[canvas.random.randrange(len(ink))]
        for petal in range(petals):
            angle = math.tau * petal / petals
            _disc(
                canvas, x + math.cos(angle) * reach * 0.6, y + math.sin(angle) * reach * 0.6, reach * 0.34,
                mixed(colour, ground, 0.25 if petal % 2 else 0),
            )  # fmt: skip
        _disc(canvas, x, y, reach * 0.3, ink[canvas.random.randrange(len(ink))])


def stars(canvas: Canvas) -> None:
    """A constellation."""
    dark = min(canvas.colours, key=sum)
    bright = max(canvas.colours, key=sum)
    _sky(canvas, mixed(dark, (0, 0, 0), 0.55), mixed(dark, canvas.colours[2], 0.35))
    for _ in range(500):
        x, y = canvas.random.randrange(canvas.width), canvas.random.randrange(canvas.height)
        _disc(canvas, x, y, canvas.random.choice([1, 1.5, 2, 3]), mixed(dark, bright, canvas.random.random()))
    across = canvas.width * 0.08
    path = []
    while across < canvas.width * 0.92:
        path.append((across, canvas.height * canvas.random.uniform(0.2, 0.8)))
        across += canvas.width * canvas.random.uniform(0.08, 0.2)
    canvas.draw.line(path, mixed(dark, bright, 0.5), width=3)
    for star in path:
        _disc(canvas, *star, canvas.random.uniform(6, 12), bright)


def blocks(canvas: Canvas) -> None:
    """A plane divided again and again."""

    def divide(left: float, top: float, right: float, bottom: float, depth: int) -> None:
        wide, high = right - left, bottom - top
        if depth and max(wide, high) > 160:
            share = canvas.random.uniform(0.3, 0.7)
            if wide > high:
                divide(left, top, left + wide * share, bottom, depth - 1)
                divide(left + wide * share, top, right, bottom, depth - 1)
            else:
                divide(left, top, right, top + high * share, depth - 1)
                divide(left, top + high * share, right, bottom, depth - 1)
            return
        colour = canvas.colours[canvas.random.randrange(len(canvas.colours))]
        canvas.draw.rectangle([left, top, right, bottom], fill=colour, outline=(28, 28, 32), width=9)

    divide(0, 0, canvas.width, canvas.height, 6)


MOTIFS: dict[str, Callable[[Canvas], None]] = {
    motif.__name__: motif for motif in (mountains, sea, tiles, rings, city, flowers, stars, blocks)
}
