"""From a URL's extension or a MIME type to the kind of media."""

from __future__ import annotations

from typing import Final

from mediascrape.scrape.extract.items import Kind

_EXTENSIONS: Final[dict[Kind, str]] = {
    "image": "apng avif bmp cur dds emf eps gif heic heif ico jfif jp2 jpe jpeg jpg jxl jxr pjp pjpeg png "
    "psd svg svgz tga tif tiff webp wmf xbm",
    "video": "3g2 3gp asf avi f4v flv m2ts m3u8 m4v mkv mov mp4 mpd mpeg mpg mts ogm ogv qt rm rmvb vob webm wmv",
    "audio": "aac aif aiff amr ape flac m4a m4b mid midi mka mp3 mpga oga ogg opus ra wav weba wma",
    "embed": "swf",
}
KIND_BY_EXTENSION: Final[dict[str, Kind]] = {
    ext: kind for kind, exts in _EXTENSIONS.items() for ext in exts.split()
}

#: Extensions in a regular expression's alternation, longest first.
EXTENSION_PATTERN: Final = "|".join(sorted(KIND_BY_EXTENSION, key=lambda ext: (-len(ext), ext)))

_MANIFEST_TYPES: Final[dict[str, Kind]] = {
    "application/x-mpegurl": "video",
    "application/vnd.apple.mpegurl": "video",
    "application/dash+xml": "video",
    "application/ogg": "audio",
    "application/x-shockwave-flash": "embed",
    "text/html": "embed",
}


def extension(url: str) -> str | None:
    """The lower-case extension of a URL's last path segment (a reference will do), without the dot."""
    path = url
    if "?" in path:
        path = path[: path.find("?")]
    if "#" in path:
        path = path[: path.find("#")]
    slash = path.rfind("/")
    dot = path.rfind(".")
    authority = path.find("//")
    return path[dot + 1 :].lower() if dot > slash and (authority < 0 or slash > authority + 1) else None


def kind_of_url(url: str) -> Kind | None:
    """The kind that the URL's extension tells, if it is one of media."""
    ext = extension(url)
    return None if ext is None else KIND_BY_EXTENSION.get(ext)


_KIND_OF_TOP_LEVEL: Final[dict[str, Kind]] = {"image": "image", "video": "video", "audio": "audio"}


def kind_of_mime(mime: str) -> Kind | None:
    """The kind that a MIME type (parameters allowed) tells."""
    essence = mime.partition(";")[0].strip().lower()
    return _KIND_OF_TOP_LEVEL.get(essence.partition("/")[0]) or _MANIFEST_TYPES.get(essence)
