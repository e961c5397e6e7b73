"""The pure core of the flow runtime: no I/O, no wall clock, no randomness, no threads.

``events`` cuts a history into decisions; ``instance`` runs a workflow through them on the deterministic ``loop``, and
``news`` tells it what happened. ``activity``, ``timer``, ``child``, ``external`` and ``markers`` are one state machine
each; what they ask for waits in ``commands`` and is held by ``matching`` against what history recorded, in the terms of
``forms``. ``closing`` and ``succession`` end a run; ``decide`` ties it up.
"""
