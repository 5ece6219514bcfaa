"""`python -m uow.cli` is the program `uow`."""

from uow.cli import main

main()
