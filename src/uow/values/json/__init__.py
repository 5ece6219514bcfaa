"""What a JSON column takes: a check made of its type hint, which also copies lists and dicts.

* `problems.py`   what is wrong, and the path to where it is
* `levels.py`     how deep a check is, and what it has met
* `plain.py`      values that are JSON as they are
* `keys.py`       keys of dicts, which are texts in JSON
* `classes.py`    objects of classes with fields
* `hints.py`      which check a type hint means
* `check.py`      the check itself

Whatever the hint says, the result can be written as JSON exactly: no NaN or infinity, text keys,
a limited number of levels and so no cycles. Messages name the path, never the value.
"""
