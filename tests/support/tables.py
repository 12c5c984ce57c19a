"""What TutorMax's tables in a test's database hold."""

from collections.abc import Mapping

from tutormax_cli.backup.contents import Digest, read_contents
from tutormax_cli.backup.tables import existing
from tutormax_cli.database.connection import connect
from tutormax_cli.database.names import TableName
from tutormax_cli.database.revisions import VERSION_TABLE
from tutormax_cli.settings import Settings


def contents(settings: Settings) -> Mapping[TableName, Digest]:
    """Return rows and checksum of each table, the one that keeps the revision among them."""
    with connect(settings) as driver:
        return read_contents(driver, existing(driver), sequences=(), large_objects=()).tables


def held_rows(settings: Settings) -> dict[str, int]:
    """Return how many rows each table holds, by plain name, without the one that keeps the revision."""
    return {table.name: digest.rows for table, digest in contents(settings).items() if table.name != VERSION_TABLE}
