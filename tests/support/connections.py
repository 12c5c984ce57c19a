"""Connections as other programs have them: with the server's own search_path."""

from functools import partial

from tutormax_cli.database.connection import connect as connect_as_command

connect = partial(connect_as_command, path=None)
