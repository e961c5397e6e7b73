"""The decider: workflows of the control plane, and nothing else. No I/O, no database."""
