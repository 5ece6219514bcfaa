"""The tables that the fault tests write to."""

from __future__ import annotations

from uow import Column, Mapped, Table


class Account(Table):
    """Everything a flush can have to fill in and to take back: key, version, default, JSON."""

    class Settings:
        name = "fault_accounts"

    id: Mapped[int] = Column(primary_key=True, auto_increment=True)
    email: Mapped[str] = Column(unique=True, max_length=100)
    name: Mapped[str]
    amount: Mapped[int] = Column(default=0)
    tags: Mapped[list[str]] = Column(default_factory=list)
    grade: Mapped[str] = Column(server_default="'new'")
    version: Mapped[int] = Column(version=True)


class Entry(Table):
    """A child with a key made in Python, and no version."""

    class Settings:
        name = "fault_entries"

    code: Mapped[str] = Column(primary_key=True)
    account_id: Mapped[int] = Column(foreign_key=Account.id)
    text: Mapped[str] = Column(default="")


MODELS = [Account, Entry]
