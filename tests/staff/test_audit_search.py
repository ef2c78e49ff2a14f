"""Staff search the log of one organization by words."""

from urllib.parse import quote

import pytest
from django.test import Client

from audit import searching
from tests.audit.ledgers import fill
from tests.cast import Cast

LIST = "/admin/audit/auditevent/"


def test_words_are_searched_for_in_one_organization(staff: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch):
    fill(cast.acme.id, 150)
    fill(cast.globex.id, 30)

    def found(query: str, more: str = "") -> tuple[list[int], str]:
        answer = staff.get(f"{LIST}?q={quote(query)}{more}")
        assert answer.status_code == 200
        counts = [row.data.get("count") for row in answer.context["cl"].result_list]
        return [count for count in counts if count is not None], answer.content.decode()

    acme, globex = cast.acme.public_id, cast.globex.public_id
    assert found(f"{acme} {'7'.zfill(32)}")[0] == [7]
    assert found("7".zfill(32), f"&org_id__exact={cast.acme.id}")[0] == [7]
    assert found(f"{globex} {'77'.zfill(32)}")[0] == []
    assert found(f"LOVELACE {globex} old3")[0] == [24, 17, 10, 3]
    assert found(f"{acme} key.created usr_2 prj_nothing")[0] == []
    for query in ("lovelace", "lovelace installations", f"{acme} !!!", f"{acme} {' '.join(map(str, range(11)))}"):
        rows, page = found(query)
        assert rows == []
        assert "Name an organization too" in page or "Search for 1 to 10 words" in page
    monkeypatch.setattr(searching, "MOST_RECORDS", 20)
    rows, page = found(f"{acme} lovelace")
    assert len(rows) <= 20
    assert "Shown are the newest, back to" in page
