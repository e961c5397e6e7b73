"""What the service accepts: pure checks that turn a request's parameters into the store's values, or raise faults."""
