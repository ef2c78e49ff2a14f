"""Webhooks: what is recorded in an organization's ledger, sent to the addresses that it names."""
