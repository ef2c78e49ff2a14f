"""Forms of the pages of credentials, one module a noun."""
