"""Bases of the REST interface."""
