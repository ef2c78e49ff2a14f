"""Asks the DNS for TXT records. Never called inside a transaction: an answer may take seconds to come."""

import dns.exception
import dns.rdatatype
import dns.resolver
from django.conf import settings

# Seconds: for one try, and for all of them.
TRY_SECONDS, ALL_SECONDS = 2.0, 5.0


class Unanswered(Exception):
    """The DNS said neither what the records are nor that there are none. Says in one sentence why."""


def text_records(name: str) -> list[str]:
    """The TXT records of a name, each with its strings put together (RFC 7208, 3.3); none where there are none.

    Aliases (CNAME) are followed, by the resolver. Raises Unanswered.
    """
    try:
        answer = _resolver().resolve(name.rstrip(".") + ".", dns.rdatatype.TXT, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.Timeout:
        raise Unanswered("The DNS did not answer in time.") from None
    except dns.resolver.NoNameservers:
        raise Unanswered("The DNS answered with an error: look whether the domain's name servers are set up.") from None
    except (dns.exception.DNSException, OSError):
        raise Unanswered("The DNS could not be asked: look at the setting TENANTRY_DNS_RESOLVER.") from None
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def _resolver() -> dns.resolver.Resolver:
    """Made anew each time: it is cheap, and the system's own may change."""
    place = settings.TENANTRY_DNS_RESOLVER
    resolver = dns.resolver.Resolver(configure=place is None)
    if place is not None:
        resolver.nameservers, resolver.port = [place[0]], place[1]
    resolver.timeout, resolver.lifetime = TRY_SECONDS, ALL_SECONDS
    resolver.cache = None
    return resolver
