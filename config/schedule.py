"""Settings of background work that are the same everywhere: Celery's, and what beat asks the workers for by itself."""

TENANTRY_CELERY = "config.celery"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ALWAYS_EAGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A broker that accepts nothing, or says nothing any more, holds nobody up for long.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_connect_timeout": 1.0, "socket_timeout": 2.0}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
# Deliveries have workers of their own, each of which is busy with one long task.
CELERY_TASK_ROUTES = {"webhooks.deliver": {"queue": "webhooks"}}
# Each task with how often, in seconds.
CELERY_BEAT_SCHEDULE = {
    "send off tasks that wait for the broker": {
        "task": "kernel.send_waiting",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "seal the audit log": {"task": "audit.seal", "schedule": 1.0, "options": {"expires": 5.0}},
    "index the audit log": {"task": "audit.index", "schedule": 2.0, "options": {"expires": 5.0}},
    "deliver webhooks": {"task": "webhooks.deliver", "schedule": 2.0, "options": {"expires": 2.0}},
    "make partitions of the audit log": {"task": "audit.make_partitions", "schedule": 24 * 3600.0},
    "sign where the audit log stands": {"task": "audit.make_checkpoints", "schedule": 3600.0},
    "drop what the audit log need not keep": {"task": "audit.drop_expired", "schedule": 24 * 3600.0},
    "look after exports of the audit log": {"task": "audit.tend_exports", "schedule": 60.0},
    "erase organizations whose grace period is over": {"task": "orgs.erase_due", "schedule": 600.0},
    "look after exports of organizations": {"task": "orgs.tend_exports", "schedule": 600.0},
    "look e-mail domains up": {"task": "orgs.recheck_email_domains", "schedule": 60.0},
    "forget idempotency keys and sessions that are over": {"task": "orgs.tidy", "schedule": 3600.0},
    "end enforcement that lets nobody in": {"task": "orgs.tend_enforcement", "schedule": 60.0},
    "give notice of keys": {"task": "keys.give_notice", "schedule": 3600.0},
    "forget used nonces": {"task": "keys.tidy", "schedule": 300.0},
    "forget old tracked events": {"task": "projects.forget_events", "schedule": 3600.0},
    "mail what was warned of": {"task": "projects.announce_usage_warnings", "schedule": 20.0},
    "replace old signing keys": {"task": "keys.tend_signing_keys", "schedule": 3600.0},
    "read metadata of identity providers": {"task": "sso.refresh_due_metadata", "schedule": 600.0},
    "warn of certificates of identity providers": {"task": "sso.warn_of_certificates", "schedule": 3600.0},
    "forget old lines of connections' logs": {"task": "sso.tidy", "schedule": 3600.0},
    "look after webhook endpoints": {"task": "webhooks.tend", "schedule": 60.0},
    "forget old webhook deliveries": {"task": "webhooks.tidy", "schedule": 3600.0},
}
