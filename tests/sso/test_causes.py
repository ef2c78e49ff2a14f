"""The closed list of causes."""

from pathlib import Path

import pytest

from sso.causes import Cause, all_causes
from sso.models import ConnectionLogEntry
from tests.database import ROOT

PAGE = (Path(ROOT) / "docs" / "single-sign-on.md").read_text()


@pytest.mark.parametrize("cause", all_causes(), ids=lambda cause: cause.code)
def test_every_cause_is_documented_and_tells_what_to_do(cause: Cause):
    assert f"`{cause.code}`" in PAGE.partition("## Causes")[2]
    assert len(cause.code) <= ConnectionLogEntry._meta.get_field("code").max_length
    assert cause.sentence.endswith(".")
    assert cause.status in (400, 403, 502)
