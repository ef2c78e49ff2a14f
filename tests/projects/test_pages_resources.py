"""Dashboard pages of the registry of resources."""

import pytest

from config.kernel.tenancy.scope import tenant_scope
from projects.models import Resource
from tests.api.rows import everything

LIST = "/orgs/acme/resources/"
NEW = f"{LIST}new/"
FORM = {"service": "warehouse", "kind": "dataset", "name": "customers/2026", "scopes": "read export", "project": ""}


@pytest.fixture
def resource(cast):
    with tenant_scope(cast.acme.id):
        return Resource.objects.create(service="warehouse", kind="dataset", name="x", project=cast.project)


def test_a_resource_is_registered_and_listed_with_its_trn(browse, cast):
    answer = browse(cast.developer).post(NEW, {**FORM, "project": "rocket"}, follow=True)
    text = answer.content.decode()
    assert "dataset/customers/2026 is registered." in text
    assert f"trn:tenantry:warehouse:{cast.acme.public_id}:dataset/customers/2026" in text
    with tenant_scope(cast.acme.id):
        made = Resource.objects.get(service="warehouse")
        assert (made.scopes, made.project_id) == (["export", "read"], cast.project.id)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "../x"}, "nothing empty, . or .. alone"),
        ({"service": "tenantry"}, "registers its own resources"),
        ({"scopes": "Read"}, "lower-case letters"),
        ({"project": "nothing"}, "No project of this organization"),
        ({"project": "freight"}, "No project of this organization"),
        ({"kind": ""}, "This field is required"),
    ],
)
def test_what_is_wrong_is_said_and_registers_nothing(browse, cast, changes, words):
    browser = browse(cast.developer)
    before = everything()
    answer = browser.post(NEW, {**FORM, **changes})
    assert answer.status_code in (400, 422)
    assert words in answer.content.decode()
    assert everything() == before


def test_the_list_is_filtered(browse, cast, resource):
    text = browse(cast.viewer).get(f"{LIST}?service=warehouse").content.decode()
    assert "dataset/x" in text
    assert "project/prj_" not in text
    assert "No resource matches" in browse(cast.viewer).get(f"{LIST}?kind=nothing").content.decode()
    assert browse(cast.viewer).get(f"{LIST}?kind={'x' * 41}").status_code == 422


def test_viewers_are_offered_nothing_to_change(browse, cast, resource):
    browser = browse(cast.viewer)
    text = browser.get(LIST).content.decode()
    assert "Register a resource" not in text
    assert "Deregister" not in text
    before = everything()
    assert browser.post(NEW, FORM).status_code == 403
    assert browser.post(f"{LIST}{resource.public_id}/deregister/").status_code == 403
    assert everything() == before


def test_deregistering_says_what_stops_and_does_it(browse, cast, resource):
    address = f"{LIST}{resource.public_id}/deregister/"
    assert resource.trn in browse(cast.developer).get(address).content.decode()
    answer = browse(cast.developer).post(address, follow=True)
    assert "dataset/x is no longer registered." in answer.content.decode()
    assert browse(cast.developer).get(address).status_code == 404
    with tenant_scope(cast.acme.id):
        assert not Resource.objects.filter(id=resource.id).exists()


def test_what_tenantry_registered_cannot_be_deregistered(browse, cast):
    with tenant_scope(cast.acme.id):
        own = Resource.objects.get(service="tenantry")
    address = f"{LIST}{own.public_id}/deregister/"
    browser = browse(cast.owner)
    assert "It stays as long as the project does" in browser.get(address).content.decode()
    before = everything()
    assert browser.post(address).status_code == 403
    assert everything() == before
    assert address not in browser.get(LIST).content.decode()
