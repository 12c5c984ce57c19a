"""Dumps of the database, and what is done with them: restore, promote, prove; and reset.

Archives are in pg_dump's custom format, and any pg_restore can read them. Here an archive is read entry by entry: a
connection of ours runs the definitions in one transaction, in which the tables that are replaced are dropped first and
the contents are compared last. pg_restore only decompresses the rows. So a restore is atomic, whatever stops it.
"""
