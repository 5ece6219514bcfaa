"""What documents can do besides being stored: queries with their own verbs, events, bulk writers.

Here stands what programs written for Beanie expect of a document; `uow.document` puts it together.
"""
