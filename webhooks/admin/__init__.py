"""Staff pages of webhooks."""
