"""REST views of organizations and people, one module a noun."""
