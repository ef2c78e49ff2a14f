"""Names of resources are strict: one resource has one spelling."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.kernel.identifiers import public_id
from projects.resource_names import KIND, NAME, SERVICE, ResourceName, is_name, parse, trn

ACME = UUID("0199b7c2-0000-7000-8000-000000000001")
ORG = public_id("org", ACME)


@given(
    service=st.from_regex(SERVICE),
    kind=st.from_regex(KIND),
    name=st.from_regex(NAME).filter(is_name),
    number=st.uuids(),
)
def test_what_is_written_is_read_again(service, kind, name, number):
    written = ResourceName(service, number, kind, name)
    assert parse(str(written)) == written


@given(text=st.text())
def test_what_is_read_is_spelled_in_no_other_way(text):
    for candidate in (text, f"trn:tenantry:warehouse:{ORG}:dataset/{text}", f"trn:tenantry:{text}:{ORG}:dataset/x"):
        name = parse(candidate)
        assert name is None or str(name) == candidate


@pytest.mark.parametrize("name", ["customers", "customers/2026", "a:b@c=d+e~f", "0", "x" * 200, "a..b/.hidden"])
def test_products_may_call_things_so(name):
    assert parse(trn("warehouse", ACME, "dataset", name)) == ResourceName("warehouse", ACME, "dataset", name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "trn",
        "trn:tenantry:",
        f"trn:tenantry:warehouse:{ORG}:dataset",
        f"trn:tenantry:warehouse:{ORG}:dataset/",
        f"trn:tenantry:warehouse:{ORG}:/x",
        f"trn:tenantry::{ORG}:dataset/x",
        "trn:tenantry:warehouse::dataset/x",
        "trn:tenantry:warehouse:acme:dataset/x",
        f"trn:tenantry:warehouse:{ORG.replace('org', 'prj')}:dataset/x",
        f"trn:tenantry:warehouse:{ORG.upper()}:dataset/x",
        f"TRN:tenantry:warehouse:{ORG}:dataset/x",
        f"trn:other:warehouse:{ORG}:dataset/x",
        f"trn:tenantry:Warehouse:{ORG}:dataset/x",
        f"trn:tenantry:ware house:{ORG}:dataset/x",
        f"trn:tenantry:warehouse:{ORG}:Dataset/x",
        f"trn:tenantry:warehouse:{ORG}:dataset/x\n",
        f"trn:tenantry:warehouse:{ORG}:dataset/x y",
        f"trn:tenantry:warehouse:{ORG}:dataset/../x",
        f"trn:tenantry:warehouse:{ORG}:dataset/a/./x",
        f"trn:tenantry:warehouse:{ORG}:dataset/a//x",
        f"trn:tenantry:warehouse:{ORG}:dataset/a/",
        f"trn:tenantry:warehouse:{ORG}:dataset//x",
        f"trn:tenantry:warehouse:{ORG}:dataset/é",
        f"trn:tenantry:warehouse:{ORG}:dataset/{'x' * 201}",
        f" trn:tenantry:warehouse:{ORG}:dataset/x",
        f"trn:tenantry:{'s' * 41}:{ORG}:dataset/x",
        f"trn:tenantry:warehouse:{ORG}:{'k' * 41}/x",
    ],
)
def test_nothing_else_is_a_name(text):
    assert parse(text) is None
