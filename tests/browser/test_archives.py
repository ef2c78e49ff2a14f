"""An archive that is asked for shows itself when it is ready, without loading the page again."""

import zipfile

import pytest

from tests.browser import site
from tests.browser.conftest import NewContext
from tests.browser.inspection import Inspector
from tests.cast import Cast, make_cast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def cast(committed: None) -> Cast:
    return make_cast()


def test_an_archive_is_asked_for_watched_and_downloaded(
    cast: Cast, served: dict[str, str], new_context: NewContext, address: str
):
    page = new_context(cast.owner).new_page()
    inspector = Inspector(page, address)
    inspector.open("/orgs/acme/settings/exports/")
    page.get_by_role("button", name="Make an archive").click()
    page.get_by_text("Being made", exact=True).wait_for()
    page.evaluate("window.loadedOnce = true")
    with site.worker(environment=served):
        page.get_by_text("Ready", exact=True).wait_for()
    page.get_by_role("button", name="Make an archive").wait_for()
    assert page.evaluate("window.loadedOnce") is True
    assert page.locator("#announcements").inner_text() == "The archive is ready."
    assert inspector.faults(thoroughly=False) == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the archive").click()
    assert download.value.suggested_filename.startswith("acme-")
    assert "keys_key.jsonl" in zipfile.ZipFile(download.value.path()).namelist()
