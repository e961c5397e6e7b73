"""The pages: each module's ``view`` turns a query into a :class:`base.View`, a template with what to fill in."""
