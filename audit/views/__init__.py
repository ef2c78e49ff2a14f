"""Dashboard pages of the ledger."""
