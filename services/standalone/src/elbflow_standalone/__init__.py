"""The one-machine stack: supervisor programs, the demo tour and the ``elbflow`` command."""
