"""Where deliveries must not go: judged by the address that is connected to, with real listeners and real DNS.

Most cases run in a network of their own (tests/webhooks/isolated.py), in which every address of the world leads to a
listener of ours: so a connection that should not be made would arrive, whatever the class of its address is. Where
users may have no such network these are skipped; what any machine can show is in test_targets_on_loopback.py.
"""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from config.kernel.errors import Invalid
from tests.database import ROOT
from tests.webhooks.isolated import PUBLIC, PUBLIC_6, PUBLIC_TOO
from webhooks.services.addresses import fit_url

pytestmark = pytest.mark.xdist_group("isolated")

UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount"]

# Of every class that is not somebody's public address.
V4 = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
V6 = [
    "::", "::1", "::7f00:1", "::a00:1", "::ffff:0:a00:1", "64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808", "100::1", "2001::1", "2001:0:5ef5:79fd::1", "2001:10::1", "2001:db8::1", "2002:a00:1::1",
    "2002:7f00:1::", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1",
    "ff02::1",
]  # fmt: skip
MAPPED = [f"::ffff:{address}" for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1", "0.0.0.0")]
# 10.0.0.1, 127.0.0.1 and 169.254.169.254, as nobody writes them who means well.
SPELLINGS = [
    "2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "0177.0.0.01", "0x7f.1", "0x7f.0.0.0x1", "127.1",
    "127.0.1", "0", "167772161", "0xa.1", "012.0.0.1", "10.1", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376",
    "169.254.43518", "127.0.0.1.", "10.0.0.1.", "169.254.169.254.", "127.%30.0.1", "%31%30.0.0.1", "localhost",
    "localhost.", "LOCALHOST",
]  # fmt: skip
# Who is asked when all of the text is read in another way than it is written.
CONFUSING = [
    "https://user:password@10.0.0.1/", f"https://{PUBLIC}@10.0.0.1/", f"https://{PUBLIC}:443@10.0.0.1:443/",
    f"https://10.0.0.1#@{PUBLIC}/", f"https://10.0.0.1?@{PUBLIC}/", f"https://{PUBLIC}\\@10.0.0.1/",
    f"https://10.0.0.1\\.{PUBLIC}/", "https://[fe80::1%25lo]/", "https://[::ffff:7f00:1]/", "https://[0:0:0:0:0:ffff:a00:1]/",
    "HTTPS://10.0.0.1/", "https:10.0.0.1/", "https:///10.0.0.1/", "https:////10.0.0.1/",
]  # fmt: skip
FOREIGN = [
    "file:///etc/passwd", "ftp://10.0.0.1/", "gopher://10.0.0.1:80/_GET", "dict://10.0.0.1:80/x", "telnet://10.0.0.1:80",
    "ldap://10.0.0.1/", "ws://10.0.0.1/", "smb://10.0.0.1/x", "javascript:alert(1)", "http+unix://x/", "",
]  # fmt: skip


def literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def case(*urls: str, names: dict[str, list[list[str]]] | None = None, **more: Any) -> dict[str, Any]:
    return {"urls": urls, "names": names or {}, **more}


INSIDE = {
    **{
        f"{scheme} {address}": case(f"{scheme}://{literal(address)}/fine")
        for scheme in ("https", "http") for address in [*V4, *V6, *MAPPED, *SPELLINGS]
    },
    **{f"https with its port {address}": case(f"https://{address}:80/fine") for address in ("10.0.0.1", "127.0.0.1")},
    **{text: case(text) for text in CONFUSING},
    **{text: case(text) for text in FOREIGN if text},
    **{
        f"DNS says {address}": case("https://inside.example/fine", names={"inside.example": [[address]]})
        for address in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "192.168.0.1", *V6[:2],
                        "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "2002:a00:1::1", *MAPPED]
    },
    "the cloud's own name": case(
        "https://metadata.google.internal/computeMetadata/v1/",
        names={"metadata.google.internal": [["169.254.169.254"]]},
    ),
    "a trailing dot": case("https://inside.example./fine", names={"inside.example": [["10.0.0.1"]]}),
    "an alias": case(
        "https://inside.example/fine", aliases={"inside.example": "db.internal"}, names={"db.internal": [["10.0.0.1"]]}
    ),
    "private by both": case("https://inside.example/fine", names={"inside.example": [["10.0.0.1", "fd00::1"]]}),
    "a public name without encryption": case("http://good.example/fine", names={"good.example": [[PUBLIC]]}),
    "a public address without encryption": case(f"http://{PUBLIC}/fine"),
    "no name that DNS has": case("https://something.localhost/fine"),
    "no such name": case("https://nowhere.example/fine"),
}  # fmt: skip
# The first answer is for who types the address, the second for the delivery.
TURNING = {
    **{
        f"DNS says first {PUBLIC}, then {address}": case(
            "https://turning.example/fine", names={"turning.example": [[PUBLIC], [address]]}
        )
        for address in ("10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "::ffff:10.0.0.1")
    },
}  # fmt: skip
ALLOWED = {
    "a name": case("https://good.example/fine", names={"good.example": [[PUBLIC]]}),
    "an address": case(f"https://{PUBLIC}/fine"),
    "IPv6": case(f"https://[{PUBLIC_6}]/fine"),
    "by both": case("https://good.example/fine", names={"good.example": [[PUBLIC, PUBLIC_6]]}),
    "in capitals": case("HTTPS://GOOD.example/fine", names={"good.example": [[PUBLIC]]}),
}
OTHERS = {
    "mixed": case("https://mixed.example/fine", names={"mixed.example": [["10.0.0.1", PUBLIC]]}),
    "mixed, turned": case("https://mixed.example/fine", names={"mixed.example": [[PUBLIC], ["127.0.0.1", PUBLIC]]}),
    "redirect": case(
        "https://good.example/redirects/307?to=https://10.0.0.1/", f"https://{PUBLIC}/redirects/301?to=http://localhost/",
        "https://good.example/redirects/302?to=https://elsewhere.example/",
        names={"good.example": [[PUBLIC]], "elsewhere.example": [[PUBLIC_TOO]]},
    ),
    "turns between attempts": case(
        "https://good.example/closes-afterwards", names={"good.example": [[PUBLIC], [PUBLIC], ["10.0.0.1"]]}, times=3
    ),
    "silent": case(
        *[f"https://{number}.silent.example/fine" for number in range(50)], *["https://good.example/fine"] * 5,
        names={"good.example": [[PUBLIC]]}, silent=[f"{number}.silent.example" for number in range(50)],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    """What came of every case, by name."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("NOT TESTED: unshare and ip make a network of its own, and this machine has not got both.")
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode:
        pytest.skip("NOT TESTED: this machine does not let its users have networks of their own.")
    cases = {**INSIDE, **TURNING, **ALLOWED, **OTHERS}
    ended = subprocess.run(
        [*UNSHARE, sys.executable, "-m", "tests.webhooks.isolated"], cwd=ROOT, env={**os.environ}, check=False,
        input=json.dumps(list(cases.values())), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    return dict(zip(cases, json.loads(ended.stdout), strict=True))


def test_what_is_public_is_reached(found):
    """Or the rest would prove nothing."""
    for name in ALLOWED:
        (answer,) = found[name]["sent"]
        assert (found[name]["typed"], answer["outcome"], answer["status"]) == ("", "delivered", 200), name
        assert len(found[name]["reached"]) == 1, name
        assert set(found[name]["reached"]) <= {PUBLIC, PUBLIC_6}


def test_nothing_inside_is_ever_connected_to(found):
    reached = {name: found[name]["reached"] for name in INSIDE if found[name]["reached"]}
    assert reached == {}
    for name in INSIDE:
        (answer,) = found[name]["sent"]
        assert answer["outcome"] in ("forbidden", "unreachable"), (name, answer)
        assert answer["status"] is None


def test_what_is_an_address_is_called_forbidden_and_not_told(found):
    for name in INSIDE:
        (answer,) = found[name]["sent"]
        if name.startswith(("https ", "http ", "DNS says", "a ", "an ", "private", "the cloud")):
            assert (name, answer["outcome"]) == (name, "forbidden") or "%" in name, answer
        assert "10.0.0.1" not in answer["detail"] or "10.0.0.1" in INSIDE[name]["urls"][0]


def test_each_of_them_is_refused_when_it_is_typed(found):
    assert [name for name in INSIDE if not found[name]["typed"]] == []


def test_dns_that_changes_between_check_and_connection_changes_nothing(found):
    for name in TURNING:
        (answer,) = found[name]["sent"]
        assert (name, found[name]["typed"], answer["outcome"]) == (name, "", "forbidden")
        assert found[name]["reached"] == []


def test_of_mixed_addresses_the_private_one_is_never_reached(found):
    assert found["mixed"]["typed"] != ""
    for name in ("mixed", "mixed, turned"):
        assert set(found[name]["reached"]) <= {PUBLIC}


def test_redirects_lead_nowhere(found):
    result = found["redirect"]
    assert [(answer["outcome"], answer["status"]) for answer in result["sent"]] == [
        ("redirected", 307), ("redirected", 301), ("redirected", 302),
    ]  # fmt: skip
    assert set(result["reached"]) == {PUBLIC}
    assert result["requests"] == 3


def test_each_attempt_is_judged_anew(found):
    result = found["turns between attempts"]
    assert result["sent"][0]["outcome"] == "delivered"
    assert {answer["outcome"] for answer in result["sent"]} <= {"delivered", "forbidden"}
    assert set(result["reached"]) == {PUBLIC}


def test_a_name_server_that_does_not_answer_delays_nobody(found):
    silent, others = found["silent"]["sent"][:-5], found["silent"]["sent"][-5:]
    assert [answer["outcome"] for answer in others] == ["delivered"] * 5
    assert [answer["outcome"] for answer in silent] == ["timed_out"] * len(silent)
    assert max(answer["seconds"] for answer in others) < min(answer["seconds"] for answer in silent)
    assert max(answer["seconds"] for answer in silent) < 4
    # Nothing waits for the look-up itself, which takes the operating system half a minute.
    assert max(answer["longest"] for answer in found["silent"]["sent"]) < 1.5


@pytest.mark.parametrize(
    "host",
    ["127.0.0.2", "127.2", "2130706434", "0x7f000002", "0x7f.2", "0177.0.0.2", "017700000002", "127.0.0.2.",
     "[::ffff:127.0.0.2]", "[::ffff:7f00:2]"],
)  # fmt: skip
def test_a_delivery_to_the_inside_is_forbidden_and_never_arrives(webhooks, start, settings, host):
    """Of this machine only 127.0.0.1 may be called; the address passed, and means something else by now."""
    settings.TENANTRY_OUTBOUND_NETWORKS = ["127.0.0.1/32"]
    inner, allowed = start("127.0.0.2"), start("127.0.0.1")
    with pytest.raises(Invalid) as refused:
        fit_url(inner.url(host=host))
    assert [*refused.value.errors] == ["url"]
    endpoint, other = webhooks.endpoint(inner.url(host=host)), webhooks.endpoint(fit_url(allowed.url()))
    webhooks.happen()
    webhooks.deliver()
    attempt = webhooks.attempt(endpoint)
    assert (attempt.outcome, attempt.status, attempt.response) == ("forbidden", None, "")
    assert (inner.connections, inner.bytes_received) == (0, 0)
    assert webhooks.attempt(other).outcome == "delivered"
    row = webhooks.delivery(endpoint)
    assert (row.state, row.tries, row.last_outcome) == ("pending", 1, "forbidden")


@pytest.mark.parametrize("address", ["http://user:secret@127.0.0.1/", "https://user@good.example/", *FOREIGN])
def test_credentials_and_foreign_schemes_are_refused_when_they_are_typed(address):
    with pytest.raises(Invalid):
        fit_url(address)
