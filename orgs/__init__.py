"""Users, organizations, memberships, roles, invitations, and the organization gate."""
