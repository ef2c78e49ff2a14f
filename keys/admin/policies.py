"""Staff pages of key policies. Organizations set them by themselves."""

from orgs.admin.organizations import OfOrganizationAdmin


class KeyPolicyAdmin(OfOrganizationAdmin):
    """What organizations demand of their keys."""

    list_display = ("organization", "longest_lifetime_days", "is_expiry_required", "on_leak", "updated_at")
    list_filter = ("on_leak",)
    fields = ("organization", "longest_lifetime_days", "is_expiry_required", "on_leak", "created_at", "updated_at")
