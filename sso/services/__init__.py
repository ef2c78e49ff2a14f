"""Writes of sign-in: connections, handover, devices."""
