"""Dashboard pages of organizations and people, one module a noun."""
