"""Credentials: publishable and secret keys of projects, personal tokens of people."""
