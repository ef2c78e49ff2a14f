"""Writes of credentials, one module a noun."""
