"""System checks of the isolation: of the models at every start, of the database by `check --database default`."""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import connections, models

from config.kernel.tenancy.grants import RUNTIME_ROLE
from config.kernel.tenancy.models import TenantForeignKey, TenantModel
from config.kernel.tenancy.policies import POLICY, SYSTEM_POLICY, SameOrganization, TenantPolicy
from config.kernel.tenancy.scope import SYSTEM_ROLE

PROVISION_HINT = "Provision the roles with `python -m config.provision`."
MIGRATE_HINT = "Run `manage.py migrate` and look for migrations that change policies by hand."


@register("tenancy")
def check_models(app_configs: Any, **_kwargs: Any) -> list[CheckMessage]:
    """Every model is a tenant model with its policy, or named in TENANTRY_GLOBAL_MODELS."""
    problems: list[CheckMessage] = []
    for model in apps.get_models(include_auto_created=True):
        label = model._meta.label
        if issubclass(model, TenantModel):
            problems += _check_tenant_model(model)
        elif label not in settings.TENANTRY_GLOBAL_MODELS and not model._meta.proxy:
            problems.append(
                Error(
                    f"{label} is neither a TenantModel nor named in TENANTRY_GLOBAL_MODELS.",
                    hint="Derive it from TenantModel; only sign-in identity, names and status may be global.",
                    obj=model,
                    id="tenancy.E001",
                )
            )
    return problems


def _check_tenant_model(model: type[models.Model]) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    constraints = model._meta.constraints
    if not any(isinstance(constraint, TenantPolicy) for constraint in constraints):
        problems.append(Error(f"{model._meta.label} has no TenantPolicy.", obj=model, id="tenancy.E003"))
    if model._meta.local_many_to_many:
        problems.append(
            Error(
                f"{model._meta.label} has a many-to-many field, whose table would have no org_id.",
                hint="Write the joining model as a TenantModel.",
                obj=model,
                id="tenancy.E002",
            )
        )
    keyed = {constraint.field for constraint in constraints if isinstance(constraint, SameOrganization)}
    for field in model._meta.local_fields:
        target = field.related_model
        if not (isinstance(target, type) and issubclass(target, TenantModel)):
            continue
        if not isinstance(field, TenantForeignKey) or (field.is_checked and field.name not in keyed):
            problems.append(
                Error(
                    f"{model._meta.label}.{field.name} can point into another organization.",
                    hint="Use TenantForeignKey.",
                    obj=model,
                    id="tenancy.E004",
                )
            )
        elif field.is_checked and not target.is_referenced:
            problems.append(
                Error(
                    f"{model._meta.label}.{field.name} points at a table without the key for it.",
                    hint=f"Let {target._meta.label} be referenced.",
                    obj=model,
                    id="tenancy.E005",
                )
            )
    return problems


@register(Tags.database)
def check_database(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """What PostgreSQL itself says of the roles and of every table with an org_id. Runs with `check --database`."""
    problems: list[CheckMessage] = []
    for alias in databases or ():
        with connections[alias].cursor() as cursor:
            problems += _check_roles(cursor)
            problems += _check_tables(cursor)
    return problems


def _check_roles(cursor: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    cursor.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND (rolsuper OR rolbypassrls)",
        [[RUNTIME_ROLE, SYSTEM_ROLE]],
    )
    problems += [
        Error(f"The role {name} passes by row-level security.", hint=PROVISION_HINT, id="tenancy.E010")
        for (name,) in cursor.fetchall()
    ]
    cursor.execute(
        "SELECT 1 FROM pg_auth_members WHERE roleid = to_regrole(%s) AND member = to_regrole(%s) AND inherit_option",
        [SYSTEM_ROLE, RUNTIME_ROLE],
    )
    if cursor.fetchone():
        message = f"{RUNTIME_ROLE} inherits {SYSTEM_ROLE}, so every statement would see all organizations."
        problems.append(Error(message, hint=PROVISION_HINT, id="tenancy.E011"))
    cursor.execute(
        "SELECT has_function_privilege(%s, 'pg_catalog.set_config(text,text,boolean)', 'EXECUTE')",
        [RUNTIME_ROLE],
    )
    if cursor.fetchone()[0]:
        message = f"{RUNTIME_ROLE} may call set_config, so an injected expression could change the scope."
        problems.append(CheckWarning(message, hint=PROVISION_HINT, id="tenancy.W016"))
    return problems


def _check_tables(cursor: Any) -> list[CheckMessage]:
    problems: list[CheckMessage] = []
    cursor.execute(
        """
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, pg_get_userbyid(c.relowner) = %s,
               has_table_privilege(%s, c.oid, 'TRUNCATE') OR has_table_privilege(%s, c.oid, 'TRUNCATE'),
               c.relispartition AND (
                   has_any_column_privilege(%s, c.oid, 'SELECT, INSERT, UPDATE')
                   OR has_any_column_privilege(%s, c.oid, 'SELECT, INSERT, UPDATE')
               ),
               ARRAY(SELECT p.polname::text FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY p.polname)
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
        ORDER BY c.relname
        """,
        [RUNTIME_ROLE, *[RUNTIME_ROLE, SYSTEM_ROLE] * 2],
    )
    for table, forced, owned, truncatable, reachable, policies in cursor.fetchall():
        if not forced or policies != sorted([POLICY, SYSTEM_POLICY]):
            message = f"{table}: row-level security is not forced, or its policies are not exactly ours ({policies})."
            problems.append(Error(message, hint=MIGRATE_HINT, id="tenancy.E012"))
        if reachable:
            message = f"{table}: a runtime role may reach this partition past the table that it belongs to."
            problems.append(Error(message, hint=MIGRATE_HINT, id="tenancy.E013"))
        if truncatable:
            problems.append(Error(f"{table}: a runtime role may truncate it.", hint=MIGRATE_HINT, id="tenancy.E014"))
        if owned:
            message = f"{table} belongs to {RUNTIME_ROLE}, which could switch its row security off."
            problems.append(Error(message, hint=PROVISION_HINT, id="tenancy.E015"))
    return problems
