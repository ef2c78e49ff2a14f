"""REST of sign-in."""
