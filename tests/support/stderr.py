"""What commands print on stderr beside the line that names the database."""


def after_database_line(stderr: str) -> str:
    """Return what follows the line that names the database, which must be the first and the only one of its kind."""
    assert stderr.startswith("database: "), stderr
    return without_database_line(stderr)


def without_database_line(stderr: str) -> str:
    """Return the rest of what a command printed, which names the database once or (stopped before that) never."""
    lines = stderr.splitlines(keepends=True)
    rest = [line for line in lines if not line.startswith("database: ")]
    assert len(lines) - len(rest) <= 1, stderr
    return "".join(rest)
