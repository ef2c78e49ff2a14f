"""Where deliveries must not go, on any machine: of this one's own addresses one may be called, others must never be.

Names are asked of a real name server, and what must not be called listens. What a machine whose users may have networks
of their own shows beyond that, for all addresses of the world, is in test_targets.py.
"""

import socket
from collections.abc import Iterator
from contextlib import suppress

import dns.resolver
import pytest

from config.kernel.errors import Invalid
from tests.receivers import Receiver, receiving
from tests.webhooks.test_targets import CONFUSING, MAPPED, SPELLINGS, V4, V6, literal
from webhooks.answers import Call
from webhooks.sending import Sender
from webhooks.services.addresses import fit_url

ALLOWED, INNER = "127.0.0.1", "127.0.0.2"
NAME = "receiver.example"

# What DNS says; where it may still be delivered is empty or ALLOWED.
INSIDE = {
    "a name": {NAME: [[INNER]]},
    "a mapped address": {NAME: [[f"::ffff:{INNER}"]]},
    "IPv6": {NAME: [["::1"]]},
    "both": {NAME: [[INNER, "::1"]]},
    "a private network": {NAME: [["10.0.0.1"]]},
    "the cloud's metadata": {NAME: [["169.254.169.254"]]},
    "a public address without encryption": {NAME: [["192.0.1.1"]]},
    "nothing": {},
}


@pytest.fixture(autouse=True)
def one_is_allowed(settings) -> None:
    settings.TENANTRY_OUTBOUND_NETWORKS = [f"{ALLOWED}/32"]


@pytest.fixture
def names(zone, name_server, settings) -> Iterator:
    """The operating system's resolver asks the name server of the tests, whose zone this is."""
    host, port = settings.TENANTRY_DNS_RESOLVER
    asking = dns.resolver.Resolver(configure=False)
    asking.nameservers, asking.port, asking.lifetime = [host], port, 5.0
    dns.resolver.override_system_resolver(asking)
    yield zone
    dns.resolver.restore_system_resolver()


@pytest.fixture
def places() -> Iterator[tuple[Receiver, Receiver]]:
    """Two receivers at one port: one that may be called, and one that must not be."""
    with receiving(ALLOWED) as allowed, receiving(INNER, allowed.port) as inner:
        yield allowed, inner


def test_a_name_of_what_may_be_called_is_called(webhooks, names, places):
    """Or the rest would prove nothing."""
    allowed, inner = places
    names.addresses = {NAME: [[ALLOWED]], "target.example": [[ALLOWED]]}
    names.aliases = {"alias.example": "target.example"}
    for host in (NAME, NAME.upper(), f"{NAME}.", "alias.example"):
        endpoint = webhooks.endpoint(fit_url(allowed.url(host=host)))
        webhooks.happen()
        webhooks.deliver()
        assert (host, webhooks.attempts(endpoint)[0].outcome) == (host, "delivered")
    assert (allowed.connections > 0, inner.connections) == (True, 0)


@pytest.mark.parametrize("said", INSIDE.values(), ids=INSIDE)
def test_a_name_of_the_inside_is_refused_when_it_is_typed_and_never_connected_to(webhooks, names, places, said):
    allowed, inner = places
    names.addresses = said
    with pytest.raises(Invalid) as refused:
        fit_url(inner.url(host=NAME))
    assert [*refused.value.errors] == ["url"]
    endpoint = webhooks.endpoint(inner.url(host=NAME))
    webhooks.happen()
    webhooks.deliver()
    attempt = webhooks.attempt(endpoint)
    assert (attempt.outcome, attempt.status) == ("forbidden" if said else "unreachable", None)
    assert "127.0.0" not in attempt.detail
    assert (allowed.connections, inner.connections) == (0, 0)


def test_an_alias_of_the_inside_is_never_connected_to(webhooks, names, places):
    allowed, inner = places
    names.aliases, names.addresses = {NAME: "db.internal"}, {"db.internal": [[INNER]]}
    endpoint = webhooks.endpoint(inner.url(host=NAME))
    webhooks.happen()
    webhooks.deliver()
    assert webhooks.attempt(endpoint).outcome == "forbidden"
    assert (allowed.connections, inner.connections) == (0, 0)


@pytest.mark.parametrize("then", [INNER, f"::ffff:{INNER}", "::1", "10.0.0.1"])
def test_dns_that_changes_between_check_and_connection_changes_nothing(webhooks, names, places, then):
    allowed, inner = places
    names.addresses = {NAME: [[ALLOWED], [then]]}
    endpoint = webhooks.endpoint(fit_url(inner.url(host=NAME)))
    # Each question has had its first answer by now.
    names.addresses = {NAME: [[then]]}
    webhooks.happen()
    webhooks.deliver()
    assert webhooks.attempt(endpoint).outcome == "forbidden"
    assert (allowed.connections, inner.connections) == (0, 0)


def test_of_mixed_addresses_the_inner_one_is_never_reached(webhooks, names, places):
    _, inner = places
    names.addresses = {NAME: [[INNER, ALLOWED]]}
    with pytest.raises(Invalid):
        fit_url(inner.url(host=NAME))
    endpoint = webhooks.endpoint(inner.url(host=NAME))
    webhooks.happen(3)
    webhooks.deliver()
    assert {row.outcome for row in webhooks.attempts(endpoint)} <= {"delivered", "forbidden"}
    assert inner.connections == 0


def test_redirects_lead_nowhere(webhooks, places):
    allowed, inner = places
    endpoint = webhooks.endpoint(fit_url(allowed.url("redirects/307", to=inner.url())))
    webhooks.happen()
    webhooks.deliver()
    assert webhooks.attempt(endpoint).outcome == "redirected"
    assert (len(allowed.requests), inner.connections) == (1, 0)


def test_a_name_server_that_does_not_answer_delays_nobody(webhooks, names, places, impatient):
    allowed, _ = places
    names.silent = {"silent.example"}
    names.addresses = {NAME: [[ALLOWED]]}
    waiting = webhooks.endpoint(allowed.url(host="silent.example"))
    others = webhooks.endpoint(fit_url(allowed.url(host=NAME)))
    webhooks.happen()
    webhooks.deliver()
    assert (webhooks.attempt(waiting).outcome, webhooks.attempt(others).outcome) == ("timed_out", "delivered")
    assert webhooks.attempt(others).milliseconds < webhooks.attempt(waiting).milliseconds


def test_no_special_address_however_it_is_written_is_connected_to(settings):
    """Whatever leads to this machine would arrive at the receiver, which listens at all its addresses."""
    settings.TENANTRY_OUTBOUND_NETWORKS = []
    with receiving("::" if socket.has_dualstack_ipv6() else "0.0.0.0") as everywhere:
        hosts = [literal(address) for address in [*V4, *V6, *MAPPED]] + SPELLINGS
        urls = [f"{scheme}://{host}:{everywhere.port}/fine" for scheme in ("http", "https") for host in hosts]
        found = _sent(urls)
        assert everywhere.reached == []
    assert {url: outcome for url, outcome in found.items() if outcome not in ("forbidden", "unreachable")} == {}
    addresses = {url for url in urls if any(f"//{literal(address)}:" in url for address in [*V4, *V6, *MAPPED])}
    assert {url: found[url] for url in addresses if found[url] != "forbidden"} == {}


def test_no_special_address_however_it_is_written_passes_when_it_is_typed(settings):
    settings.TENANTRY_OUTBOUND_NETWORKS = []
    passed = []
    for url in [*(f"https://{literal(each)}/" for each in [*V4, *V6, *MAPPED, *SPELLINGS]), *CONFUSING]:
        with suppress(Invalid):
            passed.append(fit_url(url))
    assert passed == []


def _sent(urls: list[str]) -> dict[str, str]:
    """The outcome of a call to each."""
    found: dict[str, str] = {}
    sender = Sender(20)
    waiting = list(urls)
    try:
        while waiting or sender.calls:
            while waiting and sender.room:
                url = waiting.pop()
                sender.begin(Call(url, [], b"{}", url))
            found.update((answer.call.token, str(answer.outcome)) for answer in sender.wait(0.1))
    finally:
        sender.close()
    return found
