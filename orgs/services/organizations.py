"""Organizations: create, change, disable, delete, restore. Erasure is orgs/erasure.py."""

from django.db import IntegrityError, transaction

from audit.services import record
from config.kernel.errors import Conflict, Forbidden, Invalid
from config.kernel.permissions import Role
from config.kernel.principals import Principal, UserPrincipal
from config.kernel.slugs import require_slug
from config.kernel.tenancy.scope import tenant_scope
from orgs import events
from orgs.models import Membership, Organization, RetiredSlug, User
from orgs.models.organization import erasure_time
from orgs.services.authority import lock_organization
from orgs.services.targets import member_target, organization_target


@transaction.atomic
def create_organization(
    *, actor: Principal, name: str, slug: str, owner: User | None = None, plan: str = Organization.Plan.FREE
) -> Organization:
    """Makes an organization owned by `owner`, or by the actor. Raises Forbidden for programs, Conflict for the slug."""
    if owner is None:
        if not isinstance(actor, UserPrincipal) or actor.organization_id or actor.allowed is not None:
            raise Forbidden("Organizations are made by people: sign in, or use a personal token for all organizations.")
        owner = User.objects.get(id=actor.user_id)
    require_free_slug(slug)
    try:
        with transaction.atomic():
            organization = Organization.objects.create(name=name, slug=slug, plan=plan)
    except IntegrityError:
        raise slug_taken() from None
    with tenant_scope(organization.id):
        membership = Membership.objects.create(user=owner, role=Role.OWNER)
        record(
            events.ORGANIZATION_CREATED,
            actor=actor,
            target=organization_target(organization),
            data={"slug": organization.slug, "plan": organization.plan},
        )
        record(
            events.MEMBER_JOINED,
            actor=actor,
            target=member_target(membership),
            data={"role": membership.role},
        )
    return organization


@transaction.atomic
def update_organization(*, actor: Principal, name: str | None = None, slug: str | None = None) -> Organization:
    """Changes name or slug of the organization in scope; the old slug goes on leading to it. Raises Conflict."""
    organization = lock_organization()
    changes: dict[str, list[str]] = {}
    if name is not None and name != organization.name:
        changes["name"] = [organization.name, name]
        organization.name = name
    if slug is not None and slug != organization.slug:
        require_free_slug(slug, keeping=organization)
        changes["slug"] = [organization.slug, slug]
        RetiredSlug.objects.filter(slug=slug, organization=organization).delete()
        RetiredSlug.objects.get_or_create(slug=organization.slug, defaults={"organization": organization})
        organization.slug = slug
    if not changes:
        return organization
    try:
        with transaction.atomic():
            organization.save(update_fields=["name", "slug", "updated_at"])
    except IntegrityError:
        raise slug_taken() from None
    record(
        events.ORGANIZATION_UPDATED,
        actor=actor,
        target=organization_target(organization),
        data={"changes": changes},
    )
    return organization


def require_free_slug(slug: str, *, keeping: Organization | None = None) -> None:
    """Raises Invalid for a malformed or reserved slug, Conflict for one that is taken or leads somewhere already."""
    require_slug(slug)
    retired, current = RetiredSlug.objects.filter(slug=slug), Organization.objects.filter(slug=slug)
    if keeping:
        retired, current = retired.exclude(organization=keeping), current.exclude(id=keeping.id)
    if retired.exists() or current.exists():
        raise slug_taken()


def slug_taken() -> Conflict:
    """The one answer to a slug that somebody has."""
    sentence = "This slug is taken: choose another one."
    return Conflict(sentence, code="slug_taken", errors={"slug": [sentence]})


@transaction.atomic
def change_plan(*, actor: Principal, plan: str) -> Organization:
    """Puts the organization in scope on another plan. Only staff's edges call this."""
    organization = lock_organization()
    if organization.plan == plan:
        return organization
    changes = {"plan": [organization.plan, plan]}
    organization.plan = Organization.Plan(plan)
    organization.save(update_fields=["plan", "updated_at"])
    record(
        events.ORGANIZATION_PLAN_CHANGED,
        actor=actor,
        target=organization_target(organization),
        data={"changes": changes},
    )
    return organization


@transaction.atomic
def disable_organization(*, actor: Principal, reason: str) -> Organization:
    """Refuses every credential of the organization in scope from now on. Raises Conflict while it is being deleted."""
    organization = lock_organization()
    if organization.status == Organization.Status.DELETING:
        raise Conflict("This organization is being deleted: restore it first.")
    if organization.status == Organization.Status.DISABLED:
        return organization
    organization.status = Organization.Status.DISABLED
    organization.save(update_fields=["status", "updated_at"])
    record(
        events.ORGANIZATION_DISABLED,
        actor=actor,
        target=organization_target(organization),
        data={"reason": reason},
    )
    return organization


@transaction.atomic
def enable_organization(*, actor: Principal) -> Organization:
    """Ends disable_organization."""
    organization = lock_organization()
    if organization.status != Organization.Status.DISABLED:
        return organization
    organization.status = Organization.Status.ACTIVE
    organization.save(update_fields=["status", "updated_at"])
    record(events.ORGANIZATION_ENABLED, actor=actor, target=organization_target(organization))
    return organization


@transaction.atomic
def delete_organization(*, actor: Principal, confirmation: str) -> Organization:
    """Starts the grace period of the organization in scope. Raises Invalid unless `confirmation` is its slug."""
    organization = lock_organization()
    if confirmation != organization.slug:
        raise Invalid.field("confirm", f"Type {organization.slug} to confirm.")
    if organization.status == Organization.Status.DELETING:
        return organization
    organization.status = Organization.Status.DELETING
    organization.erase_after = erasure_time()
    organization.save(update_fields=["status", "erase_after", "updated_at"])
    record(
        events.ORGANIZATION_DELETED,
        actor=actor,
        target=organization_target(organization),
        data={"erase_after": organization.erase_after.isoformat()},
    )
    return organization


@transaction.atomic
def restore_organization(*, actor: Principal) -> Organization:
    """Takes a deletion back while the grace period lasts. Raises Conflict when there is nothing to restore."""
    organization = lock_organization()
    if organization.status != Organization.Status.DELETING:
        raise Conflict("This organization is not being deleted, so there is nothing to restore.")
    if organization.may_be_erased():
        raise Conflict("The grace period is over: this organization is being erased.", code="grace_period_over")
    organization.status = Organization.Status.ACTIVE
    organization.erase_after = None
    organization.save(update_fields=["status", "erase_after", "updated_at"])
    record(events.ORGANIZATION_RESTORED, actor=actor, target=organization_target(organization))
    return organization
