"""The event ledger. Knows organizations by their plain id only."""
