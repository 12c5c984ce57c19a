"""Tables out to files: from one snapshot, streaming, in texts that PostgreSQL itself writes.

`sources` says what is exported, `pseudonyms` hides the people in it, `aggregates` counts it; `statements` writes the
COPY, `streams` turns its rows into a file's bytes, `targets` puts files where they belong, whole or not at all.
"""
