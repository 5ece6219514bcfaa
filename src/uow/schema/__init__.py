"""What the store has: tables for mapped classes."""
