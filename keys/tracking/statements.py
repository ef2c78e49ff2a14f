"""The SQL of `writing`. An event's whole way into the counts is one function (projects/migrations)."""

LOCK_MONTHS = """
SELECT month.org_id, month.count, organization.plan, month.warned_80_at IS NULL, month.warned_100_at IS NULL
FROM projects_usage_month AS month JOIN orgs_organization AS organization ON organization.id = month.org_id
WHERE month.org_id = ANY(%s) AND month.month = %s
ORDER BY month.org_id
FOR UPDATE OF month
"""

BEGIN_MONTHS = """
INSERT INTO projects_usage_month (id, org_id, month, count, created_at, updated_at)
SELECT begun.id, begun.org_id, %s, 0, %s, %s
FROM unnest(%s::uuid[], %s::uuid[]) AS begun (id, org_id) JOIN orgs_organization ON orgs_organization.id = begun.org_id
ORDER BY begun.org_id
ON CONFLICT (org_id, month) DO NOTHING
"""

WARNED_80 = "UPDATE projects_usage_month SET warned_80_at = %s, updated_at = %s WHERE org_id = %s AND month = %s"
WARNED_100 = "UPDATE projects_usage_month SET warned_100_at = %s, updated_at = %s WHERE org_id = %s AND month = %s"

# The rows travel as one JSON text, which is several times cheaper to write and to read than a parameter for each value.
ADD_EVENTS = "SELECT enough, repeated FROM projects_add_events(%s::jsonb, %s::jsonb, %s, %s, %s::jsonb)"

# Which of the given rows are there already, by the row itself and by the id of the event.
KNOWN_BY_ROW = """
SELECT given.id FROM jsonb_to_recordset(%s::jsonb) AS given (id uuid)
JOIN projects_tracked_event AS event ON event.id = given.id
"""
KNOWN_BY_EVENT_ID = """
SELECT given.id FROM jsonb_to_recordset(%s::jsonb) AS given (id uuid, org_id uuid, project_id uuid, event_id text)
JOIN projects_tracked_event AS event
ON event.org_id = given.org_id AND event.project_id = given.project_id AND event.event_id = given.event_id
"""
