"""What tests of schemas stand on."""

from tests.support.mongodb import own_mongodb_database

__all__ = ["own_mongodb_database"]
