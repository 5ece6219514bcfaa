"""What changed: the write hook, the record of an object's state, and the way back."""
