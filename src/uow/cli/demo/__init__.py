"""`uow demo`: the airports of the world in a SQLite file, through units of work.

`models` is what is stored, `source` where it comes from, `steps` the units, `queries` the
questions, `proof` the comparison with the file past this library, `show` what is printed, `run`
all of it in order, `command` the options.
"""
