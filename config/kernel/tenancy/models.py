"""The base of every tenant table."""

from typing import Any, ClassVar, TypeVar
from uuid import UUID

import uuid_utils
import uuid_utils.compat
from django.db import models
from django.db.models.signals import class_prepared

from config.kernel.tenancy.policies import SameOrganization, TenantPolicy
from config.kernel.tenancy.scope import ScopeError, current_organization_id, current_scope

Row = TypeVar("Row", bound=models.Model)


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): ids sort by time, which every list and its cursor rely on."""
    return uuid_utils.compat.uuid7()


def new_text_id() -> str:
    """The same as a text, at a fraction of what a UUID costs, for rows that never become models here."""
    return str(uuid_utils.uuid7())


class TenantQuerySet(models.QuerySet[Row]):
    """Base of the tenant models' query sets."""

    def delete_all(self) -> int:
        """Deletes the visible rows in one statement, without collecting dependents."""
        return self._raw_delete(self.db)


class TenantManager(models.Manager.from_queryset(TenantQuerySet)):  # type: ignore[misc]
    """Filters by the organization in scope. Row-level security would do so too; the filter keeps the plans good."""

    def get_queryset(self) -> models.QuerySet:
        scope = current_scope()
        if scope is None:
            raise ScopeError(f"{self.model.__name__} was queried outside any tenant_scope.")
        rows = super().get_queryset()
        return rows if scope.organization_id is None else rows.filter(org_id=self.told(scope.organization_id))

    def told(self, organization_id: UUID) -> Any:
        """The organization as PostgreSQL is told it in the filter."""
        return organization_id


class TenantModel(models.Model):
    """A row of one organization: UUIDv7 key, `org_id`, forced row-level security (added to every subclass).

    `is_referenced`: other tenant tables may point at it, which takes an index more. Say no where rows are many.
    """

    is_referenced: ClassVar[bool] = True

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    org_id = models.UUIDField(default=current_organization_id, editable=False)
    created_at = models.DateTimeField(auto_now_add=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, editable=False)

    objects: ClassVar[Any] = TenantManager()

    class Meta:
        abstract = True


class TenantForeignKey(models.ForeignKey):
    """A foreign key between tenant tables. The database constraint is SameOrganization's composite key.

    With `is_checked` false there is none: where rows are many, and it is said beside it what keeps them right.
    """

    def __init__(self, to: Any, on_delete: Any, *, is_checked: bool = True, **kwargs: Any) -> None:
        kwargs["db_constraint"] = False
        super().__init__(to, on_delete, **kwargs)
        self.is_checked = is_checked

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("db_constraint", None)
        if not self.is_checked:
            kwargs["is_checked"] = False
        return name, path, args, kwargs


def _add_tenant_constraints(sender: type[models.Model], **_kwargs: Any) -> None:
    """Gives each concrete TenantModel its policy and keys, whatever its own Meta says."""
    if not issubclass(sender, TenantModel) or sender._meta.abstract or sender._meta.proxy:
        return
    table = sender._meta.db_table
    added: list[models.constraints.BaseConstraint] = [TenantPolicy(name=f"{table}_policy")]
    if sender.is_referenced:
        added.append(models.UniqueConstraint(fields=["org_id", "id"], name=f"{table}_org_id"))
    added += [
        SameOrganization(field=field.name, name=f"{table}_{field.name}_org")
        for field in sender._meta.local_fields
        if isinstance(field, TenantForeignKey) and field.is_checked
    ]
    present = {constraint.name for constraint in sender._meta.constraints}
    sender._meta.constraints = [
        *sender._meta.constraints,
        *(constraint for constraint in added if constraint.name not in present),
    ]
    # ModelState reads the constraints from the original attributes only if the class named some.
    sender._meta.original_attrs["constraints"] = sender._meta.constraints


class_prepared.connect(_add_tenant_constraints, dispatch_uid="tenantry.tenant_constraints")
