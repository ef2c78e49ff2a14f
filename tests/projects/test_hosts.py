"""Hosts, origins and patterns: what is normalised, matched and refused."""

import string
from contextlib import suppress

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from projects.hosts import (
    LONGEST_HOST,
    UnfitHost,
    host_of,
    is_loopback,
    matches,
    origin_host,
    passes,
    pattern_of,
    patterns_for,
)

SUFFIXES = PublicSuffixList()

labels = st.text(string.ascii_letters + string.digits + "-üßéжあ", min_size=1, max_size=20)
names = st.lists(labels, min_size=1, max_size=5).map(".".join)
domains = st.builds(
    lambda name, suffix: f"{name}.{suffix}",
    st.text(string.ascii_lowercase, min_size=1, max_size=12),
    st.sampled_from(["com", "co.uk", "github.io", "de", "kobe.jp", "appspot.com", "xn--p1ai", "ck"]),
)


def normalised(text: str) -> str:
    try:
        return host_of(text)
    except UnfitHost:
        assume(False)  # noqa: FBT003 - hypothesis's own signature
        raise


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://shop.example.com", "shop.example.com"),
        ("HTTPS://Shop.Example.COM:8443", "shop.example.com"),
        ("http://shop.example.com.", "shop.example.com"),
        ("https://xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("https://xn--n3h.net", "xn--n3h.net"),
        ("http://my_host.example.com", "my_host.example.com"),
        ("http://intranet", "intranet"),
        ("http://192.0.2.10:3000", "192.0.2.10"),
        ("http://[2001:DB8:0::1]:3000", "[2001:db8::1]"),
        ("http://[::1]", "[::1]"),
        ("https://r3---sn.example.com", "r3---sn.example.com"),
    ],
)
def test_an_origin_has_its_host(origin: str, host: str):
    assert origin_host(origin) == host


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", " ", "*", "https://", "https:///", "https://*.example.com", "shop.example.com",
        "//shop.example.com", "file://", "file:///etc/passwd", "data:text/html,x", "blob:https://shop.example.com/1",
        "chrome-extension://abcdefghijklmnop", "moz-extension://a-b", "safari-web-extension://x", "ftp://example.com",
        "ws://example.com", "javascript:alert(1)", "https://shop.example.com/", "https://shop.example.com/path",
        "https://shop.example.com?x", "https://shop.example.com#x", "https://user@shop.example.com",
        "https://shop.example.com@evil.example", "https://a.example https://b.example", "https://a.example, null",
        "https://a.example\n", " https://a.example", "https://a.example:70000", "https://a.example:x",
        "https://a..example", "https://.example", "https://-a.example", "https://a-.example", "https://a.example..",
        "https://\uff41.example", "https://münchen.de", "https://xn--zzzz.com", "https://xn--abc-.com",
        "https://1.2.3", "https://0x7f.1", "https://01.2.3.4", "https://256.1.1.1", "https://1.2.3.4.5", "https://0",
        "https://[::1", "https://::1", "https://[::1%25eth0]", "https://[::ffff:127.0.0.1]", "https://[::]",
        "https://0.0.0.0", "https://a\x00.example", "https://a%2eexample", "https://a\\b.example",
        "https://" + "a" * 64 + ".example", "https://" + "a." * 140 + "example",
    ],
)  # fmt: skip
def test_what_is_no_web_page_of_a_host_has_none(origin: str):
    assert origin_host(origin) is None


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ("Shop.Example.com", "shop.example.com"),
        (" shop.example.com. ", "shop.example.com"),
        ("shop.example.com:8443", "shop.example.com"),
        ("https://shop.example.com/", "shop.example.com"),
        ("*.Example.com", "*.example.com"),
        ("https://*.example.com:8443", "*.example.com"),
        ("*.münchen.de", "*.xn--mnchen-3ya.de"),
        ("MÜNCHEN.DE", "xn--mnchen-3ya.de"),
        ("faß.de", "xn--fa-hia.de"),
        ("日本。com", "xn--wgv71a.com"),
        ("me.github.io", "me.github.io"),
        ("*.me.github.io", "*.me.github.io"),
        ("*.city.kobe.jp", "*.city.kobe.jp"),
        ("example.co.uk", "example.co.uk"),
        ("intranet", "intranet"),
        ("*.shop.internal", "*.shop.internal"),
        ("localhost:3000", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "[::1]"),
        ("[2001:DB8::0:1]:80", "[2001:db8::1]"),
        ("192.0.2.10", "192.0.2.10"),
    ],
)
def test_what_people_write_becomes_a_pattern(written: str, pattern: str):
    assert pattern_of(written) == pattern


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("com", "belongs to everybody"), ("co.uk", "belongs to everybody"), ("github.io", "belongs to everybody"),
        ("GitHub.io.", "belongs to everybody"), ("рф", "belongs to everybody"), ("foo.ck", "belongs to everybody"),
        ("*.com", "would let in everybody"), ("*.co.uk", "would let in everybody"),
        ("*.github.io", "would let in everybody"), ("*.kobe.jp", "would let in everybody"),
        ("*.xn--p1ai", "would let in everybody"), ("*.localhost", "would let in everybody"),
        ("*.intranet", "would let in everybody"), ("*", "at the very beginning"), ("*.*.example.com", "one *"),
        ("a.*.example.com", "at the very beginning"), ("*example.com", "at the very beginning"), ("*.", "Write a host"),
        ("*.192.0.2.10", "below an IP address"), ("*.[::1]", "below an IP address"), ("", "Write a host"),
        ("shop.example.com/path", "Write a host"), ("user@example.com", "Write a host"), ("ftp://a.example", "Write"),
        ("two words.example", "Write a host"), ("a..example", "Write a host"), ("☃.net", "xn--"),
        ("1.2.3", "four decimal parts"), ("[::ffff:1.2.3.4]", "browsers open"), ("fe80::1%eth0", "without a zone"),
        ("shop.example.com\x00", "Write a host"), ("℀.example", "Write a host"),
    ],
)  # fmt: skip
def test_what_cannot_be_registered_is_refused_with_a_sentence(written: str, words: str):
    with pytest.raises(UnfitHost, match=words.replace("*", r"\*")):
        pattern_of(written)


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("example.com", "example.com", True),
        ("example.com", "www.example.com", False),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
        ("*.example.com", "example.com.evil.example", False),
        ("192.0.2.10", "192.0.2.10", True),
        ("*.2.10", "192.0.2.10", False),
        ("[2001:db8::1]", "[2001:db8::1]", True),
        ("", "example.com", False),
    ],
)
def test_patterns_match_whole_labels(pattern: str, host: str, expected: bool):
    assert matches(pattern, host) is expected


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True), ("app.localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True),
        ("localhost.example.com", False), ("notlocalhost", False), ("128.0.0.1", False), ("[::2]", False),
        ("127.0.0.1.example.com", False),
    ],
)  # fmt: skip
def test_this_machines_own_names_are_for_test_keys_only(host: str, loopback: bool):
    assert is_loopback(host) is loopback
    assert passes(host, {host}, test=True)
    assert passes(host, {host}, test=False) is not loopback
    assert not passes(host, set(), test=True)


@given(names)
@example("Faß.DE.")
@example("XN--MNCHEN-3YA.de")
def test_normalising_twice_is_normalising_once(name: str):
    host = normalised(name)
    assert host_of(host) == host
    assert len(host) <= LONGEST_HOST
    assert host.isascii()
    assert host == host.lower()


@given(names, st.integers(0, 65535))
def test_ports_and_schemes_make_no_difference(name: str, port: int):
    host = normalised(name)
    assert {origin_host(f"{scheme}://{host}:{port}") for scheme in ("http", "https", "HTTPS")} == {host}


@given(names)
def test_a_host_matches_itself(name: str):
    host = normalised(name)
    assert matches(host, host)
    assert host in patterns_for(host)


@given(domains, names)
def test_a_wildcard_stays_below_its_own_registrable_domain(domain: str, below: str):
    try:
        pattern = pattern_of(f"*.{domain}")
    except UnfitHost:
        assume(False)  # noqa: FBT003 - hypothesis's own signature
    base = pattern.removeprefix("*.")
    assert not matches(pattern, base)
    assert not matches(pattern, str(SUFFIXES.publicsuffix(base)))
    assert matches(pattern, normalised(f"{below}.{base}"))
    other = normalised(f"{below}.org")
    assert not matches(pattern, other)
    assert not matches(pattern, f"evil{base}")


@given(st.text(max_size=60))
def test_no_text_whatever_breaks_it(text: str):
    origin_host(text)
    for read in (host_of, pattern_of):
        with suppress(UnfitHost):
            found = read(text)
            assert read(found) == found


@given(st.text(max_size=40), names)
def test_only_what_begins_with_http_is_an_origin(scheme: str, name: str):
    assume(scheme.lower() not in ("http", "https"))
    assert origin_host(f"{scheme}://{name}") is None


@given(st.ip_addresses())
def test_addresses_match_nothing_but_themselves(address: object):
    text = f"[{address}]" if ":" in str(address) else str(address)
    host = normalised(text)
    assert patterns_for(host) == [host]
    assert host_of(host) == host
