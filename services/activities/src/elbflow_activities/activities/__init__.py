"""One file per group of activities (spec/elb-control-plane section 5)."""
