"""The cloud as the front door sees it: :mod:`base` is the port, :mod:`local` and :mod:`aws` implement it."""
