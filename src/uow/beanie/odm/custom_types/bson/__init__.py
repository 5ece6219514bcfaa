"""Types of BSON."""
