"""Where PyMongo and Motor differ for us; all else is one code over both.

Motor runs the blocking client in threads. What is awaited there goes on when it is cancelled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

__all__ = ["Face"]


class Face(Protocol):
    """One client library."""

    @property
    def name(self) -> str:
        """Its name, for messages."""
        ...

    @property
    def is_threaded(self) -> bool:
        """Whether a cancelled call goes on in a thread."""
        ...

    def open(self, uri: str, keywords: Mapping[str, Any]) -> Any:
        """Make a client; no I/O."""
        ...

    async def close(self, client: Any) -> None:
        """Close a client, and what it has open."""
        ...

    async def start_session(self, client: Any) -> Any:
        """Start a session of a client; nothing is sent."""
        ...

    async def start_transaction(self, session: Any, options: Mapping[str, Any]) -> None:
        """Begin a transaction in a session; it is sent with the first statement."""
        ...

    def aggregate(self, target: Any, pipeline: Any, options: Mapping[str, Any]) -> Awaitable[Any]:
        """Run a pipeline on a collection or database; give its cursor."""
        ...
