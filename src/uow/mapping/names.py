"""Names of constraints and indexes that the model does not name."""

from __future__ import annotations

import hashlib

__all__ = ["constraint_name", "is_constraint_name"]


def constraint_name(max_length: int, prefix: str, *parts: str) -> str:
    """Make the name of a constraint or an index, the same each time, cut to what a store keeps."""
    name = "_".join((prefix, *parts))
    if len(name.encode()) <= max_length:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    head = name.encode()[: max_length - 9].decode(errors="ignore")
    return f"{head}_{digest}"


def is_constraint_name(given: str, prefix: str, *parts: str) -> bool:
    """Whether a name is what `constraint_name` makes, whatever the store keeps of it."""
    return given == constraint_name(max(10, len(given.encode())), prefix, *parts)
