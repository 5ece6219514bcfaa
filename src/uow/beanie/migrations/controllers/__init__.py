"""What the methods of `Forward` and `Backward` are marked with."""
