"""Dashboard pages of keys and personal tokens."""
