"""The tour: one load balancer from creation to deletion, with real traffic, told as it happens."""
