"""What a class is."""
