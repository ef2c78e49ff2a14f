"""The base of every Celery task: sent after commit, run in the tenant scope that it was sent from."""

from functools import partial
from typing import Any
from uuid import UUID

import structlog
from celery import Task, current_app
from django.db import transaction

from config.kernel.context import RequestContext, current_request, request_context
from config.kernel.tenancy.scope import current_organization_id, tenant_scope

ORGANIZATION_HEADER = "tenantry_organization_id"
REQUEST_HEADER = "tenantry_request_id"


class TenantTask(Task):
    """Takes ids, returns a named outcome. Nobody can forget on_commit: sending waits for it by itself.

    A task sent from a system scope, or from none, runs without one and enters its own.
    """

    abstract = True
    acks_late = True
    reject_on_worker_lost = True

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:  # type: ignore[override]
        headers = {**(options.pop("headers", None) or {})}
        organization_id = current_organization_id()
        if organization_id:
            headers.setdefault(ORGANIZATION_HEADER, str(organization_id))
        headers.setdefault(REQUEST_HEADER, current_request().request_id)
        send = partial(super().apply_async, args, kwargs, headers=headers, **options)
        if transaction.get_connection().in_atomic_block:
            transaction.on_commit(send)
            return None
        return send()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        headers = self.request.headers or {}
        organization_id = headers.get(ORGANIZATION_HEADER) or self.request.get(ORGANIZATION_HEADER)
        request_id = headers.get(REQUEST_HEADER) or self.request.get(REQUEST_HEADER) or ""
        with (
            request_context(RequestContext(request_id=request_id)),
            structlog.contextvars.bound_contextvars(request_id=request_id, organization_id=organization_id),
        ):
            if organization_id:
                with tenant_scope(UUID(organization_id)):
                    return super().__call__(*args, **kwargs)
            return super().__call__(*args, **kwargs)


def enqueue(name: str, *args: str) -> None:
    """Asks for the task of that name after commit. Services use this: tasks lie above them and call them back."""
    current_app.tasks[name].apply_async(args)
