"""How many bytes of page bodies may be in memory at once, over all transfers.

Bounding requests would bound the wrong thing: 5,000 requests that wait for an answer cost little,
5,000 bodies that arrive together cost a gigabyte. So a body takes from this budget before it is read,
and a transfer that gets nothing is paused: its bytes stay in the kernel's buffer and then with the sender.

The rules, which keep it free of deadlock and fair:

1. Accounts are served strictly in the order their bodies began; nobody overtakes.
2. What does not fit waits, except for the oldest account still receiving: it may overdraw, so one
   transfer can always finish and its reader can then release.
3. Overdrafts together stay within `overdraft` while finished bodies await their release,
   since those will make room without help.
4. For a body that has not begun, a finished one counts `READY_WEIGHT` times: where the reader is behind,
   more bodies would only wait here instead of with their senders. Where the senders are slow, few are
   finished, and the whole capacity serves those that arrive.

Everything runs on one event loop thread; nothing here awaits or does I/O.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Final

#: See rule 4: with a fast network and a slow reader, a quarter of the capacity is in use.
READY_WEIGHT: Final = 4


class BodyBudget:
    """`capacity` and `overdraft` in bytes. `used` never exceeds their sum but by rule 2."""

    def __init__(self, capacity: int, *, overdraft: int = 0) -> None:
        self.capacity = capacity
        self.overdraft = overdraft
        self.used = 0
        self.peak = 0
        self._tickets = count()
        self._receiving: dict[int, BodyAccount] = {}  # by ticket, oldest first
        self._waiting: list[tuple[int, BodyAccount]] = []
        self._settled = 0
        self._settled_bytes = 0

    def open(self) -> BodyAccount:
        """An account for one body, last in the order of service."""
        ticket = next(self._tickets)
        account = BodyAccount(self, ticket)
        self._receiving[ticket] = account
        return account

    @property
    def waiting(self) -> int:
        """Accounts that wait for room now."""
        return sum(1 for _, account in self._waiting if account.wanted)

    def _ask(self, account: BodyAccount, total: int) -> bool:
        first_in_line = not self._waiting or account.ticket < self._waiting[0][0]
        if first_in_line and self._may_hold(account, total):
            self._take(account, total)
            return True
        account.wanted = total
        heapq.heappush(self._waiting, (account.ticket, account))
        return False

    def _may_hold(self, account: BodyAccount, total: int) -> bool:
        after = self.used + total - account.held
        if not account.held:
            after += (READY_WEIGHT - 1) * self._settled_bytes
        if after <= self.capacity:
            return True
        oldest = next(iter(self._receiving.values()), None)
        if oldest is not account:
            return False
        return not self._settled or after <= self.capacity + self.overdraft

    def _take(self, account: BodyAccount, total: int) -> None:
        self.used += total - account.held
        account.held = total
        self.peak = max(self.peak, self.used)

    def _serve(self) -> None:
        while self._waiting:
            _, account = self._waiting[0]
            if not account.wanted:
                heapq.heappop(self._waiting)
            elif self._may_hold(account, account.wanted):
                heapq.heappop(self._waiting)
                self._take(account, account.wanted)
                account.wanted = 0
                assert account.on_granted is not None
                account.on_granted()
            else:
                return

    def _settle(self, account: BodyAccount, total: int) -> None:
        del self._receiving[account.ticket]
        self._settled += 1
        self._settled_bytes += total
        self._take(account, total)
        self._serve()

    def _close(self, account: BodyAccount) -> None:
        if self._receiving.pop(account.ticket, None) is None:
            self._settled -= 1
            self._settled_bytes -= account.held
        account.wanted = 0
        self._take(account, 0)
        self._serve()


class BodyAccount:
    """One body's share of the budget: ask while it arrives, settle when it is whole, close at the end."""

    __slots__ = ("_budget", "closed", "held", "on_granted", "settled", "ticket", "wanted")

    def __init__(self, budget: BodyBudget, ticket: int) -> None:
        self._budget = budget
        self.ticket = ticket
        self.held = 0
        self.wanted = 0
        self.settled = False
        self.closed = False
        #: Called, from within another account's call, when a refused `ask` is granted after all.
        self.on_granted: Callable[[], None] | None = None

    def ask(self, total: int) -> bool:
        """Whether this account may now hold `total` bytes; if not, `on_granted` will be called."""
        if total <= self.held:
            return True
        return self._budget._ask(self, total)

    def shrink(self, total: int) -> None:
        """Gives back what a slow transfer reserved but has not used; never grows."""
        if total < self.held and not self.settled:
            self._budget._take(self, total)
            self._budget._serve()

    def settle(self, total: int) -> None:
        """The body is whole, `total` bytes long: it holds that, never more, until closed."""
        if not self.settled and not self.closed:
            self.settled = True
            self._budget._settle(self, total)

    def close(self) -> None:
        """Releases everything. May be called again."""
        if not self.closed:
            self.closed = True
            self.on_granted = None  # it refers back to us by way of the transfer
            self._budget._close(self)
