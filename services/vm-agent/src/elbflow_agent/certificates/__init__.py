"""Server certificates of HTTPS and SSL listeners: where they come from and how they reach HAProxy's side."""
