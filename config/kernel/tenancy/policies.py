"""Row-level security as model constraints, so that makemigrations sees it and every migration emits it."""

from typing import Any

from django.db.backends.ddl_references import Statement
from django.db.models.constraints import BaseConstraint

from config.kernel.tenancy.scope import SETTING, SYSTEM_ROLE

POLICY = "tenant_isolation"
SYSTEM_POLICY = "system_all"
# The sub-select makes PostgreSQL evaluate the setting once per statement; NULLIF because it is '' after a reset.
OWN_ROWS = f"org_id = (SELECT NULLIF(current_setting('{SETTING}', true), '')::uuid)"


class _SchemaConstraint(BaseConstraint):
    """A constraint enforced by PostgreSQL alone: there is nothing to validate in Python.

    Django's stubs want strings where its own constraints make Statements, which follow renamed tables: hence Any.
    """

    def constraint_sql(self, model: Any, schema_editor: Any) -> Any:
        sql = self.create_sql(model, schema_editor)
        if sql:
            schema_editor.deferred_sql.append(sql)

    def validate(self, model: Any, instance: Any, exclude: Any = None, using: Any = None) -> None:
        return

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash(self.name)


class TenantPolicy(_SchemaConstraint):
    """Forced row-level security: a row is visible and writable in its organization's scope, or to the system role."""

    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        return Statement(
            "ALTER TABLE %(table)s ENABLE ROW LEVEL SECURITY; ALTER TABLE %(table)s FORCE ROW LEVEL SECURITY; "
            "CREATE POLICY %(policy)s ON %(table)s USING (%(own)s) WITH CHECK (%(own)s); "
            "CREATE POLICY %(system_policy)s ON %(table)s TO %(system_role)s USING (true) WITH CHECK (true)",
            table=schema_editor.quote_name(model._meta.db_table),
            policy=POLICY,
            own=OWN_ROWS,
            system_policy=SYSTEM_POLICY,
            system_role=SYSTEM_ROLE,
        )

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        # Row security stays enabled: without a policy nothing is visible, which is the safe direction.
        return Statement(
            "DROP POLICY %(policy)s ON %(table)s; DROP POLICY %(system_policy)s ON %(table)s",
            table=schema_editor.quote_name(model._meta.db_table),
            policy=POLICY,
            system_policy=SYSTEM_POLICY,
        )


class SameOrganization(_SchemaConstraint):
    """A foreign key over (org_id, field): PostgreSQL checks references past row-level security, so the key itself
    must refuse a row that points into another organization.
    """

    def __init__(self, *, field: str, name: str) -> None:
        super().__init__(name=name)
        self.field = field

    def deconstruct(self) -> Any:
        path, args, kwargs = super().deconstruct()
        kwargs["field"] = self.field
        return path, args, kwargs

    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        field = model._meta.get_field(self.field)
        return Statement(
            "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s FOREIGN KEY (org_id, %(column)s) "
            "REFERENCES %(target)s (org_id, id) DEFERRABLE INITIALLY DEFERRED",
            table=schema_editor.quote_name(model._meta.db_table),
            name=schema_editor.quote_name(self.name),
            column=schema_editor.quote_name(field.column),
            target=schema_editor.quote_name(field.related_model._meta.db_table),
        )

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        return Statement(
            "ALTER TABLE %(table)s DROP CONSTRAINT %(name)s",
            table=schema_editor.quote_name(model._meta.db_table),
            name=schema_editor.quote_name(self.name),
        )
