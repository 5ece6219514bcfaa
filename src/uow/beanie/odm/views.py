"""Views."""

from uow.views import View

__all__ = ["View"]
