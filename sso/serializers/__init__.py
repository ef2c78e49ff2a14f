"""What the REST interface of sign-in reads and shows."""
