"""The unit of work: the session, its books, its flush and its transactions."""
