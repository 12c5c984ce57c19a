"""COPY in and out of the tables, in binary, by whole columns: nothing here runs once per row."""

from tutormax_cli.database.copy.decode import copy_out
from tutormax_cli.database.copy.encode import copy_in, encode
from tutormax_cli.database.copy.load import BulkLoad, bulk_load

__all__ = ["BulkLoad", "bulk_load", "copy_in", "copy_out", "encode"]
