"""Access logs: from HAProxy's pipe through a spool on disk to objects in a bucket (spec/vm-agent-data-plane 6).

Others use :mod:`elbflow_agent.accesslog.api`. Nothing is imported here: a conversion is a process that lives for a
second.
"""
