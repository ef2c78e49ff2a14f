"""What must be true of the settings before anything starts; development is told less."""

import re
from ipaddress import ip_network

SECRET_KEY_LENGTH = 50
PLANS = ("free", "pro", "enterprise")
# As the DNS writes it: nothing but letters, digits and hyphens between dots.
DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
MOST_AUDIT_DAYS = 36_500
LOCAL_NAMES = ("http://127.0.0.1", "http://localhost", "http://[::1]")


def problems_in_production(
    *,
    debug: bool,
    secret_key: str,
    url: str,
    allowed_hosts: list[str],
    database_url: str,
    redis_url: str,
    bootstrap_mode: str,
    bootstrap_token: str,
    smtp_host: str,
    github_keys_url: str,
) -> list[str]:
    """One sentence for each setting that is missing or unsafe. Stores and the bootstrap token bind always."""
    found = []
    if not database_url:
        found.append("DATABASE_URL: set it to PostgreSQL as the role tenantry_app, or start with `make run`.")
    if not redis_url:
        found.append("REDIS_URL: set it to your Redis or Valkey, or start with `make run`.")
    if not secret_key:
        found.append(f"TENANTRY_SECRET_KEY: set it to at least {SECRET_KEY_LENGTH} random characters.")
    if bootstrap_mode == "token" and len(bootstrap_token) < 32:  # noqa: PLR2004 - said in the sentence
        found.append("TENANTRY_BOOTSTRAP_TOKEN: mode `token` needs one of at least 32 random characters.")
    if debug:
        if not url.startswith(LOCAL_NAMES):
            found.append("TENANTRY_DEBUG: only for a TENANTRY_URL on this very machine; switch it off.")
        return found
    if secret_key and (len(secret_key) < SECRET_KEY_LENGTH or len(set(secret_key)) < 10):  # noqa: PLR2004
        found.append(f"TENANTRY_SECRET_KEY: too weak; use at least {SECRET_KEY_LENGTH} random characters.")
    if not url.startswith("https://"):
        found.append("TENANTRY_URL: set the public address, beginning with https://.")
    if not allowed_hosts or "*" in allowed_hosts:
        found.append("TENANTRY_ALLOWED_HOSTS: name the exact hosts that you serve, separated by commas.")
    if not smtp_host:
        found.append("TENANTRY_SMTP_HOST: invitations and confirmations are mailed; name your mail server.")
    if github_keys_url and not github_keys_url.startswith("https://"):
        found.append("TENANTRY_GITHUB_KEYS_URL: name an address that begins with https://.")
    return found


def problems_of_plans(plans: object) -> list[str]:
    """One sentence for each part of TENANTRY_PLANS that is no plan, no feature list or no limit."""
    wrong = []
    if not isinstance(plans, dict) or not all(isinstance(plan, dict) for plan in plans.values()):
        return ["TENANTRY_PLANS: write a JSON object of objects, one for each plan."]
    for name, plan in plans.items():
        if name not in PLANS:
            wrong.append(f"TENANTRY_PLANS: {name} is not a plan; name one of {', '.join(PLANS)}.")
        for field, value in plan.items():
            texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
            limit = value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
            days = limit and (value is None or 0 < value <= MOST_AUDIT_DAYS)
            if not {"features": texts, "domains": limit, "events": limit, "audit_days": days}.get(field, False):
                wrong.append(
                    f"TENANTRY_PLANS: {name}.{field} is not readable; `features` is a list of texts, `domains` and "
                    "`events` are whole numbers or null, and so is `audit_days`, from 1 to 36500."
                )
    return wrong


def problems_of_networks(networks: list[str]) -> list[str]:
    """One sentence for each part of TENANTRY_OUTBOUND_NETWORKS that is no network."""
    wrong = []
    for text in networks:
        try:
            ip_network(text)
        except ValueError:
            wrong.append(f"TENANTRY_OUTBOUND_NETWORKS: {text} is no network; write it as in `10.20.0.0/16`.")
    return wrong


def problems_of_sign_in(*, debug: bool, development_sign_in: bool, authorized_domains: list[str]) -> list[str]:
    """One sentence if anybody could sign in without a proof, and one for each thing that is no domain."""
    found = [
        f"TENANTRY_AUTHORIZED_DOMAINS: {domain or 'an empty text'} is no domain; write it as in `example.com`."
        for domain in authorized_domains
        if not DOMAIN.fullmatch(domain)
    ]
    if development_sign_in and not debug:
        found.append("TENANTRY_DEV_AUTH: only for development; switch it off.")
    return found
