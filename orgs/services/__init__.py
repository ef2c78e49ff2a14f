"""Writes of organizations and people, one module a noun. Keyword-only; atomic; they record what they did."""
