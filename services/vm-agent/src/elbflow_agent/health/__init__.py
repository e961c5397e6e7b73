"""Health checks of backend instances with Classic ELB's thresholds (spec/vm-agent-data-plane 4)."""
