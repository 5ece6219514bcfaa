"""`Token`: what stands for a container or an object among those that hold it.

Who holds a token keeps it alive; the tokens below refer to it weakly, so a structure makes no
circles and goes at once when nobody uses it. An owner is listed once for each place in it.

Changing a container takes no lock: it is changed first and its token told afterwards. Only the
step from clean to dirty, and back, is taken under `LOCK`, so that of two threads none is lost.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final
from weakref import ref

if TYPE_CHECKING:
    from uow.tracking.nested.objects import ObjectToken

__all__ = ["LOCK", "Token"]

# Reentrant: taking a token apart may run the finalizer of a user's object.
LOCK: Final = threading.RLock()
"""Held while tokens pass between clean and dirty, and while values are wrapped."""


class Token:
    """Among its owners, one container or object.

    Attributes:
        owners: the tokens of what it is in, once for each place.
        dirty: None while it is clean; else the tokens below that said they became dirty.
        exposed: something below can change without a word.
        kept: by `id` of the object, the tokens of the objects it holds.
    """

    __slots__ = ("__weakref__", "dirty", "exposed", "kept", "owners")

    def __init__(self, owner: Token | None) -> None:
        self.owners: list[ref[Token]] = [] if owner is None else [ref(owner)]
        self.dirty: list[Token] | None = None
        self.exposed = False
        self.kept: dict[int, ObjectToken] | None = None

    def touch(self) -> None:
        """Say that it was changed; to be called after the change."""
        if self.dirty is None:
            with LOCK:
                self._spread()

    def _spread(self) -> None:
        if self.dirty is not None:
            return
        self.dirty = []
        self.announce()
        spreading: list[Token] = [self]
        while spreading:
            child = spreading.pop()
            for reference in child.owners:
                owner = reference()
                if owner is None:
                    continue
                if owner.dirty is not None:
                    owner.dirty.append(child)
                    continue
                owner.dirty = [child]
                owner.announce()
                spreading.append(owner)

    def rearm(self) -> None:
        """Make it clean, with all below that is dirty: the next change is told again."""
        with LOCK:
            found: list[Token] = [self]
            while found:
                token = found.pop()
                below, token.dirty = token.dirty, None
                if below:
                    found.extend(below)

    def expose(self) -> None:
        """Say that something below can change without a word."""
        with LOCK:
            found: list[Token] = [self]
            while found:
                token = found.pop()
                if token.exposed:
                    continue
                token.exposed = True
                token.announce()
                found.extend(owner for reference in token.owners if (owner := reference()))

    def announce(self) -> None:
        """Tell whom it may concern that this became dirty or exposed; of fields alone."""

    def join(self, owner: Token, *, once: bool) -> None:
        """Take an owner.

        Args:
            owner: the token of what it was put into.
            once: not if that is an owner already.
        """
        with LOCK:
            reference = ref(owner)
            if once and any(known is reference for known in self.owners):
                return
            if len(self.owners) >= MANY:
                self.owners[:] = [known for known in self.owners if known() is not None]
            self.owners.append(reference)
            if self.dirty is not None:
                owner.touch()
                if owner.dirty is not None:
                    owner.dirty.append(self)
            if self.exposed:
                owner.expose()

    def leave(self, owner: Token) -> bool:
        """Let go of an owner, in one place.

        Returns:
            Whether it is in no place of that owner any more.
        """
        with LOCK:
            reference = ref(owner)
            places = [n for n, known in enumerate(self.owners) if known is reference]
            if places:
                del self.owners[places[0]]
            return len(places) < 2


MANY: Final = 8
"""From so many owners on, those that are gone are looked for when one is added."""
