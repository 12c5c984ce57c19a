"""The server's time limits, lifted for a transaction that may rightly take long or wait for a program of ours."""

import psycopg

_LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout")
_SINCE_17 = "transaction_timeout"


def lift_time_limits(driver: psycopg.Connection) -> None:
    """Keep the server from ending this transaction for the time it takes. Sends SET LOCAL only: takes no snapshot."""
    limits = (*_LIMITS, _SINCE_17) if driver.info.server_version >= 170_000 else _LIMITS
    driver.execute("; ".join(f"SET LOCAL {limit} = 0" for limit in limits).encode())
