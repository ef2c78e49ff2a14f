"""Tenant isolation: the scope of the current work, and row-level security below it. See docs/isolation.md."""
