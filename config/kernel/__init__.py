"""The floor of the house: tenancy, access gates, events, errors, identifiers, bases of pages and API. Knows no app."""
