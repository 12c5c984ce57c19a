"""Filling a database with a synthetic company: simulated, loaded, evaluated and predicted in one transaction.

Reading the record of it is cheap, so `record` imports nothing of the simulation; `seed` and `plan` do.
"""
