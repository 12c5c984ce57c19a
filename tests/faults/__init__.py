"""Faults that take many rounds: pytest -m faults."""
