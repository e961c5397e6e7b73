"""The STS endpoint of the local cloud: temporary keys for roles and users, and who a caller is.

The Query protocol driven by botocore's ``sts`` model (2011-06-15), on a port of its own.
"""
