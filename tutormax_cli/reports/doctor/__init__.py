"""The doctor: one small check for each thing that can be wrong with a database, its server, its data or this machine.

A check looks and never changes anything. It gives one finding: ok, a warning or failed, in words, and the command that
mends it. A check that can't be made, for lack of a right or of the schema, says that as a warning.
"""
