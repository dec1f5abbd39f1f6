"""What the routes work with, put together once when the service starts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from mediascrape.service import Mediascrape
from mediascrape.settings import Settings
from mediascrape.web.access import Identity
from mediascrape.web.batches import Batches
from mediascrape.web.live import Live
from mediascrape.web.sessions import Sessions
from mediascrape.web.thumbnails.service import Thumbnails


@dataclass(frozen=True, slots=True)
class Parts:
    """Shared by all requests."""

    settings: Settings
    media: Mediascrape
    batches: Batches
    sessions: Sessions
    live: Live
    #: Taken by each open event stream.
    streams: asyncio.Semaphore
    #: None where the operator gave them no space.
    thumbnails: Thumbnails | None


async def _parts(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


async def _identity(request: Request) -> Identity:
    identity = request.scope["identity"]
    assert isinstance(identity, Identity)
    return identity


#: Annotations for routes: `parts: PartsOf`.
PartsOf = Annotated[Parts, Depends(_parts)]
IdentityOf = Annotated[Identity, Depends(_identity)]
