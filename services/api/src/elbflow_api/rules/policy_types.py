"""Policy types and what may carry them (spec/elb-control-plane 3.1)."""

from __future__ import annotations

APP_COOKIE = "AppCookieStickinessPolicyType"
LB_COOKIE = "LBCookieStickinessPolicyType"
SSL_NEGOTIATION = "SSLNegotiationPolicyType"

COOKIE_TYPES = frozenset({APP_COOKIE, LB_COOKIE})
LISTENER_TYPES = COOKIE_TYPES | {SSL_NEGOTIATION}
"""Types that SetLoadBalancerPoliciesOfListener takes."""
