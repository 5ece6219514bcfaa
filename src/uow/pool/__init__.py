"""The pool of connections, and the replicas that some of them lead to."""

from __future__ import annotations

from uow.pool.lender import Lender, first_step
from uow.pool.pool import Pool, PoolStats
from uow.pool.replicas import Replica, Replicas, Route

__all__ = ["Lender", "Pool", "PoolStats", "Replica", "Replicas", "Route", "first_step"]
