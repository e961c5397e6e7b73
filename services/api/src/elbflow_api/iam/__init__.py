"""The IAM endpoint of the local cloud: server certificates for the listeners of load balancers.

The same Query protocol as ELB's, driven by botocore's ``iam`` model (2010-05-08), on a port of its own.
"""
