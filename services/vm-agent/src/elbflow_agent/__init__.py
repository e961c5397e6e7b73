"""The in-VM agent: a worker that polls SWF and a servo that owns HAProxy, with Redis between them."""
