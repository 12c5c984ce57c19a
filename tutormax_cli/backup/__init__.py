"""Dumps of the database, and the ways back: restore, promote, reset.

The archives are pg_dump's own custom format, whole databases, and pg_restore of any maker can read them. Here
pg_restore only turns an archive into SQL and rows; a connection of ours runs them in one transaction, in which what is
in the way is dropped first and the rows are counted last. So a restore happens wholly or not at all, whatever dies.
"""
