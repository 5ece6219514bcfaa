"""Binding documents to a database."""

from uow.session.binding import init_documents as init_beanie

__all__ = ["init_beanie"]
