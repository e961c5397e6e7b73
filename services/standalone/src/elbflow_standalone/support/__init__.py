"""What people who look into a problem need of a stack or a VM, in one file without secrets."""
