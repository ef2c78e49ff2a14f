"""What the REST interface of webhooks reads and shows."""
