"""Dialects: core values in, statements out. Pure; no I/O."""
