"""What the services say to each other: the load-balancer document, workflow and activity signatures, names."""
