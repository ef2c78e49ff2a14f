"""The dashboard page that tries decisions."""

import pytest

from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from projects.models import Resource

PAGE = "/orgs/acme/decisions/"


def ask(browser, **given):
    return browser.get(PAGE, {"subject": "", "action": "manage_keys", "resource": "", **given})


def test_an_admin_sees_who_may_do_what_and_why(browse, cast):
    browser = browse(cast.admin)
    assert "Ask who may do what" in browser.get(PAGE).content.decode()
    answer = ask(browser, subject="Dora@acme.example", resource="rocket")
    text = answer.content.decode()
    assert "Allowed" in text
    assert "role developer → manage_keys" in text
    assert {name for name, _ in answer.context["allowed"]} == ROLE_PERMISSIONS[Role.DEVELOPER]
    denied = ask(browser, subject=cast.viewer.public_id).content.decode()
    assert "lacks manage_keys, which the role developer has" in denied


def test_they_ask_about_themselves_and_about_programs(browse, cast):
    browser = browse(cast.admin)
    assert "role admin → manage_sso" in ask(browser, subject=cast.admin.email, action="manage_sso").content.decode()
    text = ask(browser, subject=cast.key.public_id, resource=cast.project.public_id).content.decode()
    assert f"key {cast.key.public_id}" in text
    with tenant_scope(cast.acme.id):
        trn = Resource.objects.create(service="warehouse", kind="dataset", name="x").trn
    assert "Allowed" in ask(browser, subject=cast.owner.public_id, resource=trn).content.decode()


@pytest.mark.parametrize("subject", ["usr_nobody", "key_" + "0" * 26])
def test_what_is_not_known_here_is_denied(browse, cast, subject):
    assert "Nothing is known here" in ask(browse(cast.admin), subject=subject).content.decode()


def test_what_is_another_tenants_is_not_known_here(browse, cast):
    for given in (
        {"subject": cast.outsider.public_id},
        {"subject": cast.foreign_key.public_id},
        {"subject": cast.owner.public_id, "resource": f"trn:tenantry:tenantry:{cast.globex.public_id}:project/x"},
    ):
        assert "Nothing is known here" in ask(browse(cast.admin), **given).content.decode()
    for given in (
        {"subject": cast.outsider.email},
        {"subject": cast.owner.email, "resource": cast.foreign_project.public_id},
        {"subject": "somebody"},
        {"subject": ""},
        {"subject": cast.owner.email, "action": "fly"},
    ):
        answer = ask(browse(cast.admin), **given)
        assert answer.status_code == 422
        assert "This cannot be asked" in answer.content.decode()


def test_others_than_admins_do_not_ask_about_people(browse, cast):
    for user in (cast.developer, cast.viewer):
        assert ask(browse(user), subject=cast.owner.email).status_code == 403
        assert PAGE not in browse(user).get("/orgs/acme/resources/").content.decode()
