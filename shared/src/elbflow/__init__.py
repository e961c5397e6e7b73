"""elbflow: what every service of the load balancer stands on.

Rooms, each importing only what stands before it: ``clock``, ``errors`` → ``swf`` → ``polling`` → ``flow`` →
``contract``; ``store`` knows only the document of ``contract``; ``service`` stands alone.
"""
