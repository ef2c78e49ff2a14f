"""Metadata and certificates that strangers wrote: what fits is taken, everything else is refused in words."""

import time

import pytest

from sso.certificates import UnfitCertificate, make_own_pair, parse_certificate, parse_certificates, split_blocks
from sso.saml_metadata import MOST_BYTES, UnfitMetadata, read_metadata
from tests.sso.providers import ENTITY_ID, SSO_URL, bare, certificate, metadata, private_key

GOOD = metadata(certificate(1))


def test_a_provider_is_read_with_its_redirect_address_and_certificates():
    found = read_metadata(metadata(certificate(1), certificate(2)).encode())
    assert (found.entity_id, found.sso_url, len(found.certificates)) == (ENTITY_ID, SSO_URL, 2)


def test_a_certificate_for_encryption_alone_is_left_out():
    xml = metadata(certificate(1), certificate(2)).replace('use="signing"', 'use="encryption"', 1)
    assert len(read_metadata(xml.encode()).certificates) == 1


def test_a_certificate_without_a_use_counts_for_signing():
    assert len(read_metadata(GOOD.replace(' use="signing"', "").encode()).certificates) == 1


def test_of_several_providers_the_one_that_was_named_is_taken():
    def inner(name):
        return metadata(certificate(1), entity_id=name).split("\n", 1)[1]

    xml = (
        '<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">'
        f"{inner('https://a.example')}{inner('https://b.example')}</md:EntitiesDescriptor>"
    ).encode()
    with pytest.raises(UnfitMetadata, match="several identity providers"):
        read_metadata(xml)
    assert read_metadata(xml, entity_id="https://b.example").entity_id == "https://b.example"
    with pytest.raises(UnfitMetadata, match="no longer name"):
        read_metadata(xml, entity_id="https://c.example")


BOMB = (
    '<!DOCTYPE l [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    + "]>"
)


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("", "no XML"),
        ("hello", "no XML"),
        ("<html><body>Sign in</body></html>", "no SAML metadata"),
        (GOOD[:-20], "no XML"),
        (GOOD.replace("?>", '?><!DOCTYPE x SYSTEM "file:///etc/passwd">', 1), "document type"),
        (GOOD.replace("?>", '?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', 1), "document type"),
        (GOOD.replace("?>", f"?>{BOMB}", 1), "document type"),
        (GOOD.replace("?>", "?><!DOCTYPE html>", 1), "document type"),
        (metadata(certificate(1), role="SP"), "of a service provider"),
        (metadata(), "no signing certificate"),
        (metadata(certificate(1), entity_id=""), "no entityID"),
        (metadata(certificate(1), extra=' validUntil="2020-01-01T00:00:00Z"'), "ended on 1 January 2020"),
        (metadata(certificate(1), extra=' validUntil="soon"'), "no time"),
        (metadata(certificate(1), extra=' validUntil="2020-13-41T00:00:00Z"'), "no time"),
        (metadata(certificate(1, days=-1)), "has ended on"),
        (metadata(certificate(1)).replace("bindings:HTTP-Redirect", "bindings:SOAP"), "HTTP-Redirect"),
        (GOOD.replace(bare(certificate(1))[:40], "A" * 40), "no certificate"),
        ("<a>" * 5000 + "</a>" * 5000, "no XML that we read"),
        ("<md:EntityDescriptor/>", "no XML"),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_used_are_refused_in_words(xml, words):
    with pytest.raises(UnfitMetadata, match=words):
        read_metadata(xml.encode())


def test_a_document_type_is_seen_in_every_encoding():
    xml = GOOD.replace('encoding="UTF-8"', 'encoding="UTF-16"').replace("?>", '?><!DOCTYPE x SYSTEM "file:///x">', 1)
    with pytest.raises(UnfitMetadata, match="document type"):
        read_metadata(xml.encode("utf-16"))


def test_an_unknown_encoding_is_refused():
    with pytest.raises(UnfitMetadata, match="no XML"):
        read_metadata(GOOD.replace("UTF-8", "UTF-7").encode())


def test_what_is_too_large_is_not_even_looked_at():
    before = time.thread_time()
    with pytest.raises(UnfitMetadata, match="at most 512 KiB"):
        read_metadata(b"<" * (MOST_BYTES + 1))
    assert time.thread_time() - before < 0.1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no certificate"),
        ("garbage", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----", "no certificate"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no certificate"),
        (private_key(), "private key"),
        (private_key() + certificate(1), "private key"),
        (certificate(1) + certificate(2), "no certificate"),
        (certificate(9, bits=1024), "1024 bits"),
        (certificate(9, kind="ed25519"), "RSA or EC"),
        ("A" * 20_000, "at most"),
        ("é" * 50, "no certificate"),
        ("\x00", "no certificate"),
    ],
)
def test_what_is_no_fit_certificate_is_refused_in_words(text, words):
    with pytest.raises(UnfitCertificate, match=words):
        parse_certificate(text)


def test_a_certificate_reads_the_same_as_pem_with_any_line_ends_and_as_bare_base64():
    pem = certificate(1)
    read = {parse_certificate(text).fingerprint for text in (pem, pem.replace("\n", "\r\n"), bare(pem), f"  {pem}\n ")}
    assert len(read) == 1
    assert parse_certificate(certificate(9, kind="ec")).pem.startswith("-----BEGIN CERTIFICATE-----")


def test_the_same_certificate_twice_counts_once_and_one_in_its_time_suffices():
    old, new = certificate(1, days=-1), certificate(2)
    assert len(parse_certificates([new, new])) == 1
    assert len(parse_certificates([old, new])) == 2
    with pytest.raises(UnfitCertificate, match="has ended on"):
        parse_certificates([old])
    with pytest.raises(UnfitCertificate, match="not valid yet"):
        parse_certificates([certificate(1, since=2)])
    with pytest.raises(UnfitCertificate, match="Certificate 2: This is no certificate"):
        parse_certificates([new, "x"])
    with pytest.raises(UnfitCertificate, match="Name the certificate"):
        parse_certificates([])


def test_a_text_of_several_certificates_is_split():
    old, new = certificate(1), certificate(2)
    assert [block.strip() for block in split_blocks(f"# old\n{old}\n# new\n{new}")] == [old.strip(), new.strip()]
    assert split_blocks(" \n") == []
    assert split_blocks(bare(old)) == [bare(old)]


def test_a_text_written_to_be_slow_is_split_in_one_pass():
    before = time.thread_time()
    assert len(split_blocks("-----BEGIN CERTIFICATE-----" * 20_000)) == 1
    assert time.thread_time() - before < 1


def test_our_own_pair_belongs_together():
    private, public = make_own_pair("con_x")
    assert "PRIVATE KEY" in private
    assert "PRIVATE KEY" not in public
    parsed = parse_certificate(public)
    assert (parsed.not_after - parsed.not_before).days > 365 * 15
