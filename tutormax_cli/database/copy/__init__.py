"""COPY in and out of the tables, in binary, by whole columns: nothing here runs once per row."""

from tutormax_cli.database.copy.ahead import made_ahead
from tutormax_cli.database.copy.decoding import copy_out
from tutormax_cli.database.copy.encoding import Encoded, copy_in, encode
from tutormax_cli.database.copy.load import BulkLoad, bulk_load

__all__ = [
    "BulkLoad",
    "Encoded",
    "bulk_load",
    "copy_in",
    "copy_out",
    "encode",
    "lock_against_writers",
    "lock_tables",
    "made_ahead",
]
