"""Writes of projects and what belongs to one."""
