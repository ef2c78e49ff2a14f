"""REST views of credentials, one module a noun."""
