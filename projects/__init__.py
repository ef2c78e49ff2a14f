"""Projects of an organization, and the project gate."""
