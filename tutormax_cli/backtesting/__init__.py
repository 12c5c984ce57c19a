"""Backtests beside what could have been reached: on seeded data, the oracle and a world with nothing to be learned."""

from tutormax_cli.backtesting.compare import Comparison, Judge, Listener, compare, last_midnight

__all__ = ["Comparison", "Judge", "Listener", "compare", "last_midnight"]
