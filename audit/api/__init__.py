"""REST views of the ledger."""
