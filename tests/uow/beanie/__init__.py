"""`uow.beanie`: the names and operators that a program written for Beanie uses."""
