"""Forms of the pages of projects, one module a noun."""
