"""What the REST interface reads and shows of credentials, one module a noun."""
