"""The front door: the AWS Classic ELB Query API (2012-06-01) over the store and the workflows."""
