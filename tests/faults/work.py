"""A unit of many statements, and what must be true of it while it waits and when it is stored."""

from __future__ import annotations

from tests.faults.models import Account, Entry
from tests.faults.world import World
from uow import Session, State, changes, state

__all__ = ["Work"]


class Work:
    """A unit of many statements, and what is true of it before and after."""

    def __init__(self, world: World, session: Session) -> None:
        self.world = world
        self.session = session

    async def prepare(self) -> None:
        """Change, delete and add; nothing is sent but the reads."""
        session, world = self.session, self.world
        self.ann = world.see(await session.get_one(Account, 1))
        self.cy = world.see(await session.get_one(Account, 3))
        self.entry = world.see(await session.get_one(Entry, "one"))
        self.ann.amount = 11
        self.ann.tags.append("b")
        self.entry.text = "changed"
        session.delete(self.cy)
        self.account = world.see(Account(email="new@x.org", name="New", tags=["n"]))
        self.child = world.see(Entry(code="two", account_id=1, text="second"))
        session.add_all([self.account, self.child])

    def assert_pending(self) -> None:
        """All is as it was before the flush: to be done, and nothing of it taken for done."""
        session = self.session

        assert session.new == {self.account, self.child}
        assert session.dirty == {self.ann, self.entry}
        assert session.deleted == {self.cy}
        assert changes(self.ann) == {"amount": (10, 11), "tags": (["a"], ["a", "b"])}
        assert (self.ann.version, self.ann.amount, self.ann.tags) == (1, 11, ["a", "b"])
        assert self.account.id is None
        assert state(self.account) is state(self.child) is State.PENDING
        assert "new@x.org" not in self.world.rows()
        self.world.assert_agrees()

    def assert_stored(self) -> None:
        """All of it is stored, once."""
        rows = self.world.rows()

        assert rows["ann@x.org"] == ("Ann", 11, '["a","b"]', "old", 2)
        assert rows["new@x.org"] == ("New", 0, '["n"]', "new", 1)
        assert rows["one"][0] == "changed"
        assert rows["two"] == ("second", "ann@x.org")
        assert "cy@x.org" not in rows
        assert len(rows) == 5
        self.world.assert_agrees()
