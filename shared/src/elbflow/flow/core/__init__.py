"""The pure core of the flow runtime: no I/O, no wall clock, no randomness, no threads.

``events`` cuts a history into decisions, ``instance`` runs a workflow through them on the deterministic ``loop``,
``commands`` are what it asks SWF for, ``matching`` holds them against what history recorded, ``decide`` ties it up.
"""
