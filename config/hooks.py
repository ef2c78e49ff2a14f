"""What the lower layers ask of the upper ones, by dotted name, since they never import them. Each name is a setting."""

TENANTRY_ORGANIZATION_GATE = "orgs.access.OrganizationGate"
TENANTRY_PROJECT_GATE = "projects.access.ProjectGate"
TENANTRY_DENIAL_RECORDER = "projects.services.denials.DenialRecorder"
TENANTRY_PAGE_PRINCIPAL = "orgs.access.page_principal"
TENANTRY_LIVE_CONNECTIONS = "sso.selectors.live_connections"
TENANTRY_DEMO_SIGN_IN = "sso.demo.ensure_sign_in"
TENANTRY_DEMO_WEBHOOKS = "webhooks.demo.ensure_webhooks"
TENANTRY_CHECKPOINT_SIGNER = "keys.signing.sign_checkpoint"
TENANTRY_CHECKPOINT_READER = "keys.signing.read_checkpoint"
TENANTRY_CHECKPOINT_KEYS = "keys.signing.checkpoint_keys"
TENANTRY_CHECKPOINT_LAST_WITHDRAWAL = "keys.signing.last_withdrawal"
TENANTRY_CHECKPOINT_WITHDRAWALS = "keys.signing.withdrawals"
TENANTRY_AUDIT_DAYS = "orgs.retention.audit_days"
TENANTRY_STAFF_READ_RECORDER = "audit.services.staff_reads.record_staff_read"
# Routes that are answered in front of Django where memory suffices (config/kernel/hot.py).
TENANTRY_HOT_ROUTES = {
    "/api/v1/keys/verify": "keys.hot.verification.verify_key",
    "/api/v1/track": "keys.hot.tracking.track_events",
    "/access/v1/evaluation": "keys.hot.decisions.evaluate",
    "/access/v1/evaluations": "keys.hot.decisions.evaluate_batch",
}
