"""Nested values: lists, dicts, sets, deques and objects inside of a field, tracked at any depth.

* `tokens.py`     who is told of a change: a token knows its owners, weakly
* `kinds.py`      which values are scalars, which are wrapped and how, which must be compared
* `lists.py`, `dicts.py`, `sets.py`, `deques.py`, `tuples.py`, `objects.py`   the kinds
* `fields.py`     the field of an object, where telling ends
* `paths.py`      which paths of a document differ; `updates.py` what a store is told of them

A value is wrapped when it is read for the first time, one level at a time. A change marks the
token of the container it was made in as dirty, then those of its owners, and stops at the first
that is dirty already. What a field is compared with, and when, is not known here.
"""
