"""Staff pages of keys. Of a key only its first characters are shown."""

from django.db.models import QuerySet

from config.kernel.errors import Absent
from config.kernel.identifiers import parse_public_id
from config.kernel.permissions import PERSONAL_PERMISSIONS
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key
from keys.services.keys import release_key, revoke_key
from orgs.admin.organizations import OfOrganizationAdmin
from projects.models import Project


def revoke(*, actor: StaffPrincipal, row: Key) -> Outcome:
    """Ends the key."""
    with tenant_scope(row.org_id):
        revoke_key(actor=actor, project_id=row.project_id, key=row.public_id)
    return Outcome(f"{row} is revoked.")


def release(*, actor: StaffPrincipal, row: Key) -> Outcome:
    """Out of quarantine."""
    with tenant_scope(row.org_id):
        release_key(actor=actor, holder=PERSONAL_PERMISSIONS, project_id=row.project_id, key=row.public_id)
    return Outcome(f"{row} works again.")


class KeyAdmin(OfOrganizationAdmin):
    """Keys of every project."""

    prefix = "key"
    list_display = ("name", "start", "kind", "mode", "state", "project", "organization", "expires_at", "created_at")
    list_filter = ("kind", "mode")
    list_select_related = ("project",)
    search_help_text = "A public id of a key (key_…), a project (prj_…) or an organization (org_…)"
    fields = (
        "name",
        "start",
        "public_id",
        "organization",
        "project",
        "kind",
        "mode",
        "state",
        "permissions",
        "allowed_ips",
        "rate_limit",
        "rate_window_seconds",
        "remaining",
        "is_imported",
        "note",
        "metadata",
        "created_by",
        "replaces",
        "created_at",
        "expires_at",
        "revoked_at",
        "leaked_at",
        "quarantined_at",
    )
    staff_actions = (
        StaffAction(
            "revoke",
            "Revoke",
            "Programs that use this key are refused from now on. This cannot be taken back.",
            revoke,
            applies=lambda row: row.revoked_at is None,
            danger=True,
        ),
        StaffAction(
            "release",
            "Release from quarantine",
            "The key works again for everybody who has it.",
            release,
            applies=lambda row: row.state == Key.State.QUARANTINED,
        ),
    )

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        project_id = parse_public_id("prj", word)
        if project_id is None:
            return super().narrow(rows, word)
        project = Project.objects.filter(id=project_id).first()
        if project is None:
            raise Absent
        return rows.filter(org_id=project.org_id, project_id=project.id)


class KeyUseAdmin(OfOrganizationAdmin):
    """When and how often keys were used, as far as it is written (keys/uses.py)."""

    list_display = ("key", "organization", "last_used_at", "last_ip", "count")
    list_select_related = ("key",)
    search_help_text = "A public id of an organization (org_…)"
    fields = ("key", "organization", "last_used_at", "last_ip", "count", "created_at", "updated_at")
