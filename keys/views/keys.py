"""Dashboard pages of one key: make, look at, rename, rotate, revoke."""

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import Admission, project
from config.kernel.errors import Absent
from config.kernel.identifiers import parse_public_id
from config.kernel.pages import EditPage, FormPage, Page
from config.kernel.permissions import DESCRIPTIONS, PERSONAL_PERMISSIONS, Permission
from keys.forms.keys import KeyEditForm, KeyForm, RotateForm
from keys.forms.terms import first_lifetime
from keys.models import Agent, Key, KeyPolicy
from keys.services import key_changes
from keys.services import keys as services
from keys.views.shown_once import SecretPage
from orgs.models import User


def key_of(admission: Admission, reference: str) -> Key:
    """The key of the project in hand. Raises Absent, also for a key of another project."""
    keys = Key.objects.of_project(admission.project.id).with_use().select_related("replaces")
    key = keys.by_reference(reference)
    if key is None:
        raise Absent
    return key


def maker_of(made_by: str) -> str:
    """Who has that public id, for people: an address, a program's name, or the bare id of somebody who is gone."""
    user_id, key_id, agent_id = (parse_public_id(prefix, made_by) for prefix in ("usr", "key", "agt"))
    maker: User | Key | Agent | None = None
    if user_id:
        maker = User.objects.filter(id=user_id).first()
    elif key_id:
        maker = Key.objects.filter(id=key_id).first()
    elif agent_id:
        maker = Agent.objects.filter(id=agent_id).first()
    return str(maker or made_by)


class KeyCreate(SecretPage):
    """A new key, whose plaintext is in the answer."""

    access = project(Permission.MANAGE_KEYS)
    template_name = "keys/create.html"
    made_template = "keys/made.html"
    sent_before_template = "keys/sent_before.html"
    navigation = "projects"
    form_class = KeyForm

    def form_arguments(self) -> dict[str, Any]:
        self.policy = KeyPolicy.objects.current()
        lifetime = first_lifetime(self.policy)
        initial = {"expires": lifetime} if lifetime else {}
        return {"holder": self.admission.permissions, "initial": initial}

    def form_context(self) -> dict[str, Any]:
        return {"section": "keys", "policy": self.policy}

    def make(self, form: KeyForm) -> tuple[Key, str]:
        wanted = form.cleaned_data
        return services.create_key(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            kind=wanted["kind"],
            mode=wanted["mode"],
            name=wanted["name"],
            permissions=form.wanted_permissions(),
            expires_at=wanted["expires_at"],
            allowed_ips=wanted["allowed_ips"],
            rate_limit=form.rate_limit(),
            remaining=wanted["remaining"],
            note=wanted["note"],
            metadata=wanted["metadata"],
        )


class KeyDetail(Page):
    """Everything about a key but its secret."""

    access = {"GET": project(Permission.VIEW_ORG)}
    template_name = "keys/detail.html"
    navigation = "projects"

    def get(self, request: HttpRequest, key: str, **kwargs: Any) -> HttpResponse:
        row = key_of(self.admission, key)
        beyond = (row.permission_set & PERSONAL_PERMISSIONS) - self.admission.permissions
        may_rotate = Permission.MANAGE_KEYS in self.admission.permissions and not beyond
        return self.show(
            {
                "section": "keys",
                "key": row,
                "maker": maker_of(row.created_by),
                "replacement": row.replaced_by.first(),
                "metadata": [
                    (name, json.dumps(row.metadata[name], ensure_ascii=False)) for name in sorted(row.metadata)
                ],
                "permissions_of_key": [(p.value, DESCRIPTIONS[p]) for p in sorted(row.permission_set)],
                "may_rotate": may_rotate,
                "may_change": may_rotate and row.state not in (Key.State.REVOKED, Key.State.EXPIRED),
            }
        )


class KeyEditPage(EditPage):
    """A page that changes the key in its path."""

    def lock(self) -> None:
        services.locked_key(project_id=self.admission.project.id, reference=self.kwargs["key"])


class KeyEdit(KeyEditPage):
    """Name and note of a key."""

    access = project(Permission.MANAGE_KEYS)
    template_name = "keys/edit.html"
    navigation = "projects"
    form_class = KeyEditForm

    def form_arguments(self) -> dict[str, Any]:
        self.key = key_of(self.admission, self.kwargs["key"])
        return {"initial": {"name": self.key.name, "note": self.key.note}}

    def form_context(self) -> dict[str, Any]:
        return {"section": "keys", "key": self.key}

    def save(self, form: KeyEditForm) -> HttpResponse:
        changed = key_changes.update_key(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            key=self.key.public_id,
            **form.cleaned_data,
        )
        messages.success(self.request, f"{changed.name} was saved.")
        return to_key(self.admission, changed)


class KeyRotate(SecretPage):
    """A new key in place of an old one, whose plaintext is in the answer."""

    access = project(Permission.MANAGE_KEYS)
    template_name = "keys/rotate.html"
    made_template = "keys/made.html"
    sent_before_template = "keys/sent_before.html"
    navigation = "projects"
    form_class = RotateForm

    def form_arguments(self) -> dict[str, Any]:
        self.key = key_of(self.admission, self.kwargs["key"])
        return {"has_limited_uses": self.key.remaining is not None}

    def form_context(self) -> dict[str, Any]:
        return {
            "section": "keys",
            "key": self.key,
            "replacement": self.key.replacement,
            "policy": KeyPolicy.objects.current(),
        }

    def make(self, form: RotateForm) -> tuple[Key, str]:
        made = services.rotate_key(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            key=self.key.public_id,
            overlap=form.cleaned_data["overlap"],
            expires_at=form.cleaned_data["expires_at"],
        )
        self.key.refresh_from_db()
        return made


class KeyRevoke(FormPage):
    """Says what stops, then ends the key."""

    access = project(Permission.MANAGE_KEYS)
    template_name = "keys/revoke.html"
    navigation = "projects"

    def form_arguments(self) -> dict[str, Any]:
        self.key = key_of(self.admission, self.kwargs["key"])
        return {}

    def form_context(self) -> dict[str, Any]:
        return {"section": "keys", "key": self.key, "replacement": self.key.replaced_by.first()}

    def save(self, form: Any) -> HttpResponse:
        revoked = services.revoke_key(
            actor=self.admission.principal, project_id=self.admission.project.id, key=self.key.public_id
        )
        messages.success(self.request, f"{revoked.name} is revoked: it is refused from now on.")
        return to_key(self.admission, revoked)


def to_key(admission: Admission, key: Key) -> HttpResponse:
    """A redirect to the key's page."""
    return redirect("keys:detail", admission.organization.slug, admission.project.public_id, key.public_id)
