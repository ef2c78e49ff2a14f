from uuid import UUID, uuid4

import pytest

from config.kernel.identifiers import parse_public_id, public_id


def test_a_public_id_leads_back_to_its_uuid():
    value = uuid4()
    assert parse_public_id("org", public_id("org", value)) == value


def test_the_specified_example_reads():
    assert parse_public_id("org", "org_01h455vb4pex5vsknk084sn02q") == UUID("01890a5d-ac96-774b-bcce-b302099a8057")


@pytest.mark.parametrize(
    "text",
    ["", "org", "org_", "prj_01h455vb4pex5vsknk084sn02q", "org_01h455vb4pex5vsknk084sn02",
     "org_zzzzzzzzzzzzzzzzzzzzzzzzzz",
     "ORG_01h455vb4pex5vsknk084sn02q", "org_01H455VB4PEX5VSKNK084SN02Q", "org_01h455vb4pex5vsknk084sn02q ", "org_\x00",
     "org_" + "0" * 5000, "org_01h455vb4pex5vsknk084sn02ü"],
)  # fmt: skip
def test_what_is_no_id_of_that_kind_is_none(text):
    assert parse_public_id("org", text) is None
