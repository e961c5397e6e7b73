"""HAProxy as the servo sees it: a typed model, its text, the process, the runtime API and the counters."""
