"""The staff's site: Django admin in the unfold theme, with a second factor."""

from unfold.sites import UnfoldAdminSite


class StaffSite(UnfoldAdminSite):
    """Every model, for the operator's staff."""


site = StaffSite(name="admin")
