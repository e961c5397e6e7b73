"""The cloud as the activities need it: :mod:`base` is the port, the other modules are clouds."""
