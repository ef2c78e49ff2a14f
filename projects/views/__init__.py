"""Dashboard pages of projects and what belongs to one."""
