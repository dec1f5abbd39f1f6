"""The budget's rules, told in its module, held against random use of it."""

from __future__ import annotations

from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mediascrape.scrape.budget import BodyAccount, BodyBudget

CAPACITY, OVERDRAFT, LARGEST = 1000, 400, 400


def test_who_does_not_fit_waits_for_a_release() -> None:
    budget = BodyBudget(100)
    first, second = budget.open(), budget.open()
    granted: list[str] = []
    second.on_granted = lambda: granted.append("second")
    assert first.ask(80)
    assert not second.ask(30)
    assert budget.waiting == 1
    first.settle(80)
    assert granted == []
    first.close()
    assert granted == ["second"]
    assert budget.used == 30


def test_nobody_overtakes() -> None:
    budget = BodyBudget(100)
    first, second, third = budget.open(), budget.open(), budget.open()
    second.on_granted = third.on_granted = lambda: None
    assert first.ask(80)
    assert not second.ask(50)
    assert not third.ask(5)  # it would fit, but second was there before
    first.close()
    assert (second.held, third.held) == (50, 5)


def test_the_oldest_may_overdraw_when_nobody_else_can_make_room() -> None:
    budget = BodyBudget(100)
    first, second = budget.open(), budget.open()
    second.on_granted = lambda: None
    assert first.ask(50)
    assert second.ask(50)
    assert not second.ask(60)
    assert first.ask(500)
    assert budget.peak == 550


def test_an_overdraft_waits_while_finished_bodies_await_their_release() -> None:
    budget = BodyBudget(100, overdraft=20)
    done, first = budget.open(), budget.open()
    granted: list[int] = []
    first.on_granted = lambda: granted.append(first.held)
    assert done.ask(90)
    assert first.ask(10)
    done.settle(90)
    assert first.ask(30)
    assert not first.ask(50)
    done.close()
    assert granted == [50]


def test_bodies_do_not_begin_while_finished_ones_of_a_quarter_of_the_capacity_wait_for_their_reader() -> None:
    budget = BodyBudget(100)
    bodies = [budget.open() for _ in range(20)]
    for body in bodies:
        body.on_granted = partial(body.settle, 5)
        if body.ask(5):
            body.settle(5)
    assert budget.used == 25
    for body in bodies:
        body.close()
    assert budget.peak == 25
    assert budget.used == 0


def test_finished_bodies_do_not_hold_up_one_that_has_begun() -> None:
    budget = BodyBudget(100)
    done, begun = budget.open(), budget.open()
    assert done.ask(40)
    assert begun.ask(10)
    done.settle(40)
    assert begun.ask(60)


def test_unused_reservations_are_given_back() -> None:
    budget = BodyBudget(100)
    slow, other = budget.open(), budget.open()
    other.on_granted = lambda: None
    assert slow.ask(90)
    assert not other.ask(40)
    slow.shrink(10)
    assert other.held == 40
    slow.settle(4)
    assert budget.used == 44


class Bodies(RuleBasedStateMachine):
    """Bodies begin, grow, end and are released in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = BodyBudget(CAPACITY, overdraft=OVERDRAFT)
        self.receiving: list[BodyAccount] = []
        self.settled: list[BodyAccount] = []
        self.wanted: dict[BodyAccount, int] = {}
        self.granted_order: list[int] = []

    def granted(self, account: BodyAccount) -> None:
        self.granted_order.append(account.ticket)
        assert account.held == self.wanted.pop(account)

    @rule()
    def begin(self) -> None:
        account = self.budget.open()
        account.on_granted = lambda: self.granted(account)
        self.receiving.append(account)

    @precondition(lambda self: any(account not in self.wanted for account in self.receiving))
    @rule(data=st.data(), more=st.integers(1, LARGEST))
    def grow(self, data: st.DataObject, more: int) -> None:
        ready = [account for account in self.receiving if account not in self.wanted]
        account = data.draw(st.sampled_from(ready))
        total = min(LARGEST, account.held + more)
        self.wanted[account] = total
        if account.ask(total):
            del self.wanted[account]
            assert account.held >= total

    @precondition(lambda self: any(account not in self.wanted for account in self.receiving))
    @rule(data=st.data(), used=st.floats(0, 1))
    def settle(self, data: st.DataObject, used: float) -> None:
        account = data.draw(st.sampled_from([a for a in self.receiving if a not in self.wanted]))
        self.receiving.remove(account)
        self.settled.append(account)
        account.settle(int(account.held * used))

    @precondition(lambda self: self.receiving or self.settled)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        account = data.draw(st.sampled_from(self.receiving + self.settled))
        for group in (self.receiving, self.settled):
            if account in group:
                group.remove(account)
        self.wanted.pop(account, None)
        account.close()
        account.close()
        assert account.held == 0

    @invariant()
    def used_is_what_is_held(self) -> None:
        assert self.budget.used == sum(account.held for account in self.receiving + self.settled)

    @invariant()
    def within_bounds(self) -> None:
        # The oldest may overdraw by a body; with settled bodies around, by the overdraft allowed.
        assert self.budget.used <= CAPACITY + max(OVERDRAFT, LARGEST) + OVERDRAFT

    @invariant()
    def never_stuck(self) -> None:
        """Somebody can always go on: the oldest receiver, or a reader who will release."""
        if self.wanted and not self.settled:
            oldest = min(self.receiving, key=lambda account: account.ticket)
            assert oldest not in self.wanted

    @invariant()
    def waiting_is_what_was_refused(self) -> None:
        assert self.budget.waiting == len(self.wanted)


TestBodies = Bodies.TestCase
TestBodies.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
