"""Writes of webhooks: endpoints, their secrets, tests and replays."""
