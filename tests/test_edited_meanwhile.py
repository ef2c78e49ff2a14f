"""Two people edit the same record: nobody undoes unseen what another has changed, by whatever page."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from config.kernel.pages import CHANGED_MEANWHILE
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import Organization, SignInPolicy
from projects.models import Project
from sso.models import Connection
from tests.api.rows import everything
from tests.at_once import at_once
from tests.browsers import filled_in, signed_in
from tests.cast import Cast
from tests.sso.enforcing import connect
from tests.webhooks.rows import endpoint_rows
from webhooks.models import Endpoint

Shown = tuple[str, dict[str, Any], Callable[[], int]]


def organization(cast: Cast) -> Shown:
    found = Organization.objects.filter(id=cast.acme.id)
    return "/orgs/acme/settings/", {"name": "Acme & Sons"}, lambda: found.update(name="Theirs")


def project(cast: Cast) -> Shown:
    found = Project.objects.filter(id=cast.project.id)
    return (
        f"/orgs/acme/projects/{cast.project.public_id}/settings/",
        {"name": "Rocket 2"},
        lambda: found.update(unregistered_domains="reject"),
    )


def endpoint(cast: Cast) -> Shown:
    row = endpoint_rows().endpoint
    found = Endpoint.objects.filter(id=row.id)
    return (
        f"/orgs/acme/webhooks/{row.public_id}/edit/",
        {"description": "Renamed"},
        lambda: found.update(events=["key.revoked"]),
    )


def connection(cast: Cast) -> Shown:
    row = connect(cast.acme).connection
    found = Connection.objects.filter(id=row.id)
    return (
        f"/orgs/acme/sign-in/connections/{row.public_id}/settings/",
        {"name": "Okta 2"},
        lambda: found.update(role="developer"),
    )


def policy(cast: Cast) -> Shown:
    """The one for which it matters most: a form that was open before single sign-on was enforced would end that."""
    SignInPolicy.objects.create()
    return (
        "/orgs/acme/sign-in/policy/",
        {"session_hours": "8"},
        lambda: SignInPolicy.objects.update(enforcement="pilot"),
    )


PAGES = pytest.mark.parametrize("furnish", [organization, project, endpoint, connection, policy])


def of(cast: Cast, furnish: Callable[[Cast], Shown]) -> Shown:
    with tenant_scope(cast.acme.id):
        return furnish(cast)


@PAGES
def test_what_another_changed_while_the_page_was_open_is_not_undone(
    cast: Cast, browse: Any, furnish: Callable[[Cast], Shown]
):
    path, typed, change = of(cast, furnish)
    browser = browse(cast.owner)
    form = filled_in(browser.get(path), **typed)
    with tenant_scope(cast.acme.id):
        assert change() == 1
    before = everything()
    for sent in (form, {**form, "version": ""}):
        refused = browser.post(path, sent)
        assert (refused.status_code, CHANGED_MEANWHILE in refused.content.decode()) == (409, True)
    assert everything() == before


@PAGES
def test_of_two_who_save_at_once_one_is_told_so(committed_cast: Cast, furnish: Callable[[Cast], Shown]):
    path, typed, _ = of(committed_cast, furnish)
    browsers = [signed_in(Client(), who) for who in (committed_cast.owner, committed_cast.admin)]
    forms = [filled_in(browser.get(path), **typed) for browser in browsers]
    answers = at_once(
        [
            lambda browser=browser, form=form: browser.post(path, form)
            for browser, form in zip(browsers, forms, strict=True)
        ]
    )
    assert sorted(answer.status_code for answer in answers) == [302, 409]


@PAGES
def test_an_open_page_that_nobody_interfered_with_saves(cast: Cast, browse: Any, furnish: Callable[[Cast], Shown]):
    path, typed, _ = of(cast, furnish)
    browser = browse(cast.owner)
    opened = browser.get(path)
    assert browser.post(path, filled_in(opened, name="", description="x" * 9999, session_hours="0")).status_code == 422
    assert browser.post(path, filled_in(opened, **typed)).status_code == 302


def test_nobody_waits_for_the_record_while_a_form_asks_the_dns(committed_cast: Cast, monkeypatch: pytest.MonkeyPatch):
    """The workers that deliver need the endpoint's row."""
    path, _, _ = of(committed_cast, endpoint)
    browser = signed_in(Client(), committed_cast.owner)
    free = []

    def lock() -> bool:
        with tenant_scope(committed_cast.acme.id), transaction.atomic():
            return bool(list(Endpoint.objects.select_for_update(nowait=True)))

    def judged(url: str) -> str:
        free.extend(at_once([lock]))
        return url

    monkeypatch.setattr("webhooks.forms.endpoints.fit_url", judged)
    form = filled_in(browser.get(path), url="https://other.example/", headers="")
    assert browser.post(path, form).status_code in (302, 409)
    assert free == [True]
