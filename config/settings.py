"""Settings, from the environment alone. Everything that is wrong is said in one list at start (docs/settings.md)."""

from email.utils import parseaddr
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from marshmallow.validate import Range

from config import installed, pages, rest
from config.access import ACCESS
from config.database import database
from config.embedded import running_environment
from config.encryption_keys import read_encryption_keys
from config.environment import Environment
from config.logs import logging_settings
from config.outbound import read_outbound_settings
from config.production import problems_in_production, problems_of_networks, problems_of_plans, problems_of_sign_in
from config.social import problems_of_social, read_social_settings
from config.staff_theme import STAFF_THEME

BASE_DIR = Path(__file__).resolve().parent.parent

environment = Environment()

# -- where and how it runs -------------------------------------------------------------------------------------------
environment.section("Where and how it runs")
DEBUG = environment.flag(
    "TENANTRY_DEBUG",
    "For development on this very machine only: tells errors in full and checks less at start.",
    default=False,
)
TENANTRY_HOME = environment.folder(
    "TENANTRY_HOME",
    BASE_DIR / ".tenantry",
    "Where files are kept: stored files, the built stylesheet, and in development the data of the embedded servers.",
    default_words="`.tenantry` beside `manage.py`",
)

TENANTRY_WORKER_APPS = environment.texts(
    "TENANTRY_WORKER_APPS", [], "The apps whose tasks a Celery worker knows.", default_words="all of them"
)

environment.section("Stores")
given_database_url = environment.text(
    "DATABASE_URL",
    "",
    "PostgreSQL 16 or newer, as the unprivileged role `tenantry_app`.",
    default_words="the embedded server's while `make run` runs",
)
# Commands in a second terminal find the servers of a running `make run`, together with its development secrets.
if DEBUG or not given_database_url:
    running = running_environment(TENANTRY_HOME)
    DEBUG = DEBUG or bool(running)
else:
    running = None
fallback: dict[str, str] = running or {}
DATABASE_URL = given_database_url or fallback.get("DATABASE_URL", "")
DATABASE_OWNER_URL = environment.text(
    "DATABASE_OWNER_URL",
    fallback.get("DATABASE_OWNER_URL", ""),
    "The same database as its owner `tenantry_owner`. Only the job that migrates needs it.",
    default_words="the embedded server's while `make run` runs",
)
REDIS_URL = environment.text(
    "REDIS_URL",
    fallback.get("REDIS_URL", ""),
    "Redis or Valkey: cache, rate limits, background work.",
    default_words="the embedded server's while `make run` runs",
)
AS_OWNER = environment.flag(
    "TENANTRY_DATABASE_AS_OWNER",
    "Connects as the owner. `manage.py` sets it for commands that change the schema; nothing else should.",
    default=False,
)

environment.section("Addresses and secrets")
SECRET_KEY = environment.text(
    "TENANTRY_SECRET_KEY",
    fallback.get("TENANTRY_SECRET_KEY", ""),
    "At least 50 random characters: signs sessions and links.",
    default_words="one of its own while `make run` runs",
)
SECRET_KEY_FALLBACKS = environment.texts(
    "TENANTRY_SECRET_KEY_FALLBACKS", [], "Earlier secret keys, whose signatures still hold while a new one takes over."
)
TENANTRY_ENCRYPTION_KEYS, problems_of_keys = read_encryption_keys(
    environment, fallback.get("TENANTRY_ENCRYPTION_KEYS", "")
)
TENANTRY_URL = environment.text(
    "TENANTRY_URL",
    fallback.get("TENANTRY_URL", "http://127.0.0.1:8000"),
    "The address that people and programs reach us by: links in mails, trusted origins. Must begin with https:// "
    "outside of development.",
    default_words="`http://127.0.0.1:8000`",
).rstrip("/")
ALLOWED_HOSTS = environment.texts(
    "TENANTRY_ALLOWED_HOSTS",
    ["127.0.0.1", "localhost", "[::1]"] if DEBUG else [],
    "The exact host names that are served.",
    default_words="none; in development this machine's own names",
)
TENANTRY_TRUSTED_PROXIES = environment.number(
    "TENANTRY_TRUSTED_PROXIES",
    0,
    "How many proxies in front of us append to X-Forwarded-For; 0 believes nobody.",
    validate=Range(min=0, max=10),
)

# -- first start, sign-in --------------------------------------------------------------------------------------------
environment.section("First start and sign-in")
TENANTRY_BOOTSTRAP_MODE = environment.choice(
    "TENANTRY_BOOTSTRAP_MODE",
    "off",
    "Who may make the first staff user and organization: whoever has the token, while there is no staff (`token`); the "
    "first caller, while there is no user at all (`open`); nobody (`off`).",
    choices=["token", "open", "off"],
)
TENANTRY_BOOTSTRAP_TOKEN = environment.text(
    "TENANTRY_BOOTSTRAP_TOKEN", "", "The operator's token for the mode `token`: at least 32 random characters."
)
TENANTRY_SIGN_UP = environment.flag("TENANTRY_SIGN_UP", "Whether strangers may sign up.", default=True)
TENANTRY_FREE_TRIES = environment.number(
    "TENANTRY_FREE_TRIES",
    5,
    "How many wrong passwords or codes for one account from one address cost nothing; after each further one the next "
    "try waits, twice as long each time ([how](operators.md#guessing-slowed-down)) (1 to 100).",
    validate=Range(min=1, max=100),
)
TENANTRY_LONGEST_DELAY = environment.number(
    "TENANTRY_LONGEST_DELAY",
    300,
    "The longest such wait in seconds (5 to 3600).",
    validate=Range(min=5, max=3600),
)
TENANTRY_AUTHORIZED_DOMAINS = [
    domain.strip().lower()
    for domain in environment.texts(
        "TENANTRY_AUTHORIZED_DOMAINS",
        [],
        "Only addresses of exactly these domains, and of none below them, may sign up or in, by whatever method; "
        "international ones in punycode.",
        default_words="every domain",
    )
]
TENANTRY_DEV_AUTH = environment.flag(
    "TENANTRY_DEV_AUTH",
    "Development sign-in: a button that signs in without any proof, and a token in `~/.tenantry/dev-token`. Only with "
    "`TENANTRY_DEBUG`; the program refuses to start otherwise.",
    default=False,
)
TENANTRY_SOCIAL = read_social_settings(environment)

# -- tokens ----------------------------------------------------------------------------------------------------------
environment.section("Tokens")
TENANTRY_SIGNING_KEY_DAYS = environment.number(
    "TENANTRY_SIGNING_KEY_DAYS",
    90,
    "After how many days the key that signs our tokens is replaced by the next one (1 to 3650).",
    validate=Range(min=1, max=3650),
)

# -- organizations ---------------------------------------------------------------------------------------------------
environment.section("Organizations")
TENANTRY_DELETION_GRACE_DAYS = environment.number(
    "TENANTRY_DELETION_GRACE_DAYS",
    14,
    "For how many days a deleted organization can be restored before it is erased (0 to 365). Migrate after a change: "
    "the database waits for as long by itself.",
    validate=Range(min=0, max=365),
)
TENANTRY_INVITATION_DAYS = environment.number(
    "TENANTRY_INVITATION_DAYS",
    7,
    "For how many days an invitation can be accepted (1 to 90).",
    validate=Range(min=1, max=90),
)

TENANTRY_PLANS = environment.mapping(
    "TENANTRY_PLANS",
    "What plans include other than by default, by plan: "
    '`{"pro": {"features": ["core"], "domains": 10, "events": 500000, "audit_days": 365}}`; a limit of `null` is none. '
    "Migrate after a change of `audit_days`, for how many days an audit log is kept.",
)
TENANTRY_INSTALLATION_AUDIT_DAYS = environment.number(
    "TENANTRY_INSTALLATION_AUDIT_DAYS",
    2_557,
    "For how many days the installation's own audit log is kept (up to 36500); 0 is for good, and then the months of "
    "every organization's log stay on the disk too ([how](audit.md#how-long-it-is-kept)). Migrate after a change.",
    validate=Range(min=0, max=36_500),
)

environment.section("Speed")
TENANTRY_KEY_CACHE_SIZE = environment.number(
    "TENANTRY_KEY_CACHE_SIZE",
    200_000,
    "How many keys each web process keeps in memory, at about half a KiB each.",
    validate=Range(min=0, max=10_000_000),
)
TENANTRY_PREPARED_STATEMENTS = environment.flag(
    "TENANTRY_PREPARED_STATEMENTS",
    "Prepares the statements of the fast path and of the delivery of webhooks. Switch it off behind a transaction "
    "pooler that does not know prepared statements, such as PgBouncer before 1.21.",
    default=True,
)

TENANTRY_DECISION_CACHE_SIZE = environment.number(
    "TENANTRY_DECISION_CACHE_SIZE",
    50_000,
    "How many people, programs and resources each web process keeps in memory for decisions, at about 2 KiB each.",
    validate=Range(min=0, max=10_000_000),
)

environment.section("Access decisions")
TENANTRY_DECISION_MAKER = environment.text(
    "TENANTRY_DECISION_MAKER",
    "keys.decisions.roles.RoleDecisions",
    "The class that decides (docs/decisions.md).",
)

# -- usage -----------------------------------------------------------------------------------------------------------
environment.section("Usage")
TENANTRY_USAGE_EVENT_DAYS = environment.number(
    "TENANTRY_USAGE_EVENT_DAYS",
    90,
    "For how many days tracked events are kept, in which an event's id counts once (35 to 3650). The counts by day are "
    "kept for good.",
    validate=Range(min=35, max=3650),
)

environment.section("Pages")
TENANTRY_PAGE_LICENCES = environment.number(
    "TENANTRY_PAGE_LICENCES",
    600,
    "How many licences a minute each web process gives with one publishable key to one address (an IPv6 address counts "
    "with its whole /64); 0 is no limit.",
    validate=Range(min=0, max=1_000_000),
)
TENANTRY_PAGE_EVENTS = environment.number(
    "TENANTRY_PAGE_EVENTS",
    600,
    "After how many events in a minute each web process takes no more of `track` with one publishable key from one "
    "address until the minute is over; 0 is no limit.",
    validate=Range(min=0, max=1_000_000),
)

# -- leaked keys -----------------------------------------------------------------------------------------------------
environment.section("Leaked keys")
TENANTRY_GITHUB_KEYS_URL = environment.text(
    "TENANTRY_GITHUB_KEYS_URL",
    "",
    "Where the public keys of GitHub's secret-scanning partner programme are "
    "(`https://api.github.com/meta/public_keys/secret_scanning`). Without it the receiver at `/leaks/github` is off.",
)
TENANTRY_GITHUB_LABELS = environment.flag(
    "TENANTRY_GITHUB_LABELS",
    "Whether the receiver answers GitHub which of the reported keys are real.",
    default=False,
)

# -- calls to addresses that customers typed --------------------------------------------------------------------------
outbound = read_outbound_settings(environment, debug=DEBUG)
TENANTRY_OUTBOUND_NETWORKS = outbound.networks
TENANTRY_DNS_RESOLVER = outbound.resolver
TENANTRY_WEBHOOK_DELIVERIES_DAYS = outbound.deliveries_days
TENANTRY_WEBHOOK_CONNECTIONS = outbound.connections
TENANTRY_WEBHOOK_CA_FILE = outbound.ca_file

# -- mail ------------------------------------------------------------------------------------------------------------
environment.section("Mail")
EMAIL_HOST = environment.text(
    "TENANTRY_SMTP_HOST", "", "The mail server. Without one, mails are printed to the log, in development only."
)
EMAIL_PORT = environment.number("TENANTRY_SMTP_PORT", 25, "Its port.")
EMAIL_HOST_USER = environment.text("TENANTRY_SMTP_USER", "", "Who to sign in to it as.")
EMAIL_HOST_PASSWORD = environment.text("TENANTRY_SMTP_PASSWORD", "", "The password for that.")
EMAIL_USE_TLS = environment.flag(
    "TENANTRY_SMTP_STARTTLS", "Whether to encrypt the connection by STARTTLS.", default=False
)
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = environment.text("TENANTRY_MAIL_FROM", "Tenantry <tenantry@localhost>", "The sender of our mails.")
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend" if EMAIL_HOST else "django.core.mail.backends.console.EmailBackend"
)

# What docs/settings.md is drawn from.
TENANTRY_ENVIRONMENT = environment.settings
problems = environment.problems()
if "@" not in parseaddr(DEFAULT_FROM_EMAIL)[1]:
    problems.append("TENANTRY_MAIL_FROM: write an address, as in `Tenantry <no-reply@example.com>`.")
problems += problems_in_production(
    debug=DEBUG,
    secret_key=SECRET_KEY,
    url=TENANTRY_URL,
    allowed_hosts=ALLOWED_HOSTS,
    database_url=DATABASE_URL,
    redis_url=REDIS_URL,
    bootstrap_mode=TENANTRY_BOOTSTRAP_MODE,
    bootstrap_token=TENANTRY_BOOTSTRAP_TOKEN,
    smtp_host=EMAIL_HOST,
    github_keys_url=TENANTRY_GITHUB_KEYS_URL,
)
problems += problems_of_sign_in(
    debug=DEBUG, development_sign_in=TENANTRY_DEV_AUTH, authorized_domains=TENANTRY_AUTHORIZED_DOMAINS
)
problems += problems_of_social(TENANTRY_SOCIAL, debug=DEBUG)
problems += problems_of_keys
problems += problems_of_plans(TENANTRY_PLANS)
problems += problems_of_networks(TENANTRY_OUTBOUND_NETWORKS)
if problems:
    raise ImproperlyConfigured("These settings must be corrected first:\n" + "\n".join(f"- {p}" for p in problems))

DATABASES = {
    "default": database(
        DATABASE_OWNER_URL if AS_OWNER and DATABASE_OWNER_URL else DATABASE_URL, prepared=TENANTRY_PREPARED_STATEMENTS
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL or "redis://127.0.0.1:6379/0",
        "KEY_PREFIX": "tenantry",
    }
}

from config.schedule import *  # noqa: E402,F403 - each name there is a setting

CELERY_BROKER_URL = REDIS_URL or "redis://127.0.0.1:6379/0"

INSTALLED_APPS = installed.PAGELESS if TENANTRY_WORKER_APPS else installed.APPS
TENANTRY_GLOBAL_MODELS = installed.GLOBAL_MODELS
MIDDLEWARE = installed.MIDDLEWARE

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = pages.templates(BASE_DIR / "templates")

# -- access (config/kernel/access.py) --------------------------------------------------------------------------------
TENANTRY_ACCESS = ACCESS
TENANTRY_IDEMPOTENCY_MODEL = "orgs.IdempotencyKey"

from config.hooks import *  # noqa: E402,F403 - each name there is a setting

# -- people ----------------------------------------------------------------------------------------------------------
from config.sign_in import *  # noqa: E402,F403 - each name there is a setting

ACCOUNT_DEFAULT_HTTP_PROTOCOL = TENANTRY_URL.split(":")[0]

# -- REST ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = rest.FRAMEWORK
SPECTACULAR_SETTINGS = rest.DOCUMENT
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# -- pages -----------------------------------------------------------------------------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
USE_I18N = False
STATIC_URL = "/static/"
STATIC_ROOT = TENANTRY_HOME / "build" / "collected"
# Built by `manage.py build_css`; Django and WhiteNoise warn about folders that do not exist yet.
BUILT_STATIC = TENANTRY_HOME / "build" / "static"
for folder in (STATIC_ROOT, BUILT_STATIC):
    folder.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static", BUILT_STATIC]
# Development looks files up as they are asked for, rather than all of them at start.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = pages.storages(TENANTRY_HOME / "files", debug=DEBUG)

# -- protection in the browser ---------------------------------------------------------------------------------------
SECURE = TENANTRY_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "__Host-session" if SECURE else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE else "csrf"
DEVICE_COOKIE_NAME = "__Host-device" if SECURE else "device"
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_TRUSTED_ORIGINS = [TENANTRY_URL]
CSRF_FAILURE_VIEW = "config.kernel.problems.csrf_failure"
SECURE_SSL_REDIRECT = SECURE
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TENANTRY_TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = pages.CONTENT_SECURITY_POLICY

# -- staff pages -----------------------------------------------------------------------------------------------------
UNFOLD = STAFF_THEME

# -- logs ------------------------------------------------------------------------------------------------------------
LOGGING = logging_settings(debug=DEBUG)
SILENCED_SYSTEM_CHECKS: list[str] = []
