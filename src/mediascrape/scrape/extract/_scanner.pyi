from collections.abc import Collection

class Scanner:
    def __init__(
        self,
        *,
        tags: Collection[str],
        stops: Collection[str],
        extensions: Collection[str],
        attributes: Collection[str],
    ) -> None: ...
    def landmarks(
        self, data: str, start: int, end: int, decoration: bool
    ) -> tuple[list[tuple[str | None, int, int]], list[int], int]: ...
    def attributes(self, data: str, start: int) -> tuple[dict[str, str], int] | None: ...
