"""REST views of projects, one module a noun."""
