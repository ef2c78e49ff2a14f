"""The SQL of `writing`: raw, since an event's whole way into the counts is one statement."""

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
_GIVEN = """
given AS MATERIALIZED (
    SELECT row.* FROM jsonb_to_recordset(%s::jsonb) AS row (
        id uuid, org_id uuid, project_id uuid, key text, domain text, event_id text, name text,
        occurred_at timestamptz, properties jsonb
    )
"""

# The first event of a day's row lends it its id, which sorts by time as every id does.
_ADDED = """
), added AS (
    INSERT INTO projects_tracked_event
        (id, org_id, created_at, project_id, key, domain, event_id, name, occurred_at, properties)
    SELECT id, org_id, %s, project_id, key, domain, event_id, name, occurred_at, properties FROM given
    ON CONFLICT DO NOTHING
    RETURNING id, org_id, project_id, key, domain, name, (occurred_at AT TIME ZONE 'UTC')::date AS day
), days AS (
    INSERT INTO projects_usage_day AS counted
        (id, org_id, project_id, day, key, domain, name, count, created_at, updated_at)
    SELECT (array_agg(id ORDER BY id))[1], org_id, project_id, day, key, domain, name, count(*), %s, %s
    FROM added GROUP BY org_id, project_id, day, key, domain, name
    ON CONFLICT (org_id, project_id, day, key, domain, name)
    DO UPDATE SET count = counted.count + excluded.count, updated_at = excluded.updated_at
), months AS (
    UPDATE projects_usage_month AS month SET count = month.count + new.count, updated_at = %s
    FROM (SELECT org_id, count(*) AS count FROM added GROUP BY org_id) AS new
    WHERE month.org_id = new.org_id AND month.month = %s
)
"""

_ROOM = """
wanted AS MATERIALIZED (
    SELECT key::uuid AS org_id, value::bigint AS events FROM jsonb_each_text(%s::jsonb)
), held AS MATERIALIZED (
    SELECT month.org_id, month.count, CASE WHEN month.warned_80_at IS NULL THEN 80 ELSE 100 END AS percent,
           %s::jsonb ? organization.plan AS known, (%s::jsonb ->> organization.plan)::bigint AS included
    FROM projects_usage_month AS month JOIN orgs_organization AS organization ON organization.id = month.org_id
    WHERE month.org_id = ANY(%s) AND month.month = %s
    ORDER BY month.org_id
    FOR UPDATE OF month
), room AS MATERIALIZED (
    SELECT count(*) = %s AND bool_and(
        held.known AND (held.included IS NULL OR (held.count + wanted.events) * 100 < held.included * held.percent)
    ) AS enough
    FROM held JOIN wanted ON wanted.org_id = held.org_id
),
"""

# Adds the given rows; what it returns are duplicates.
ADD = " ".join(("WITH", _GIVEN, _ADDED, "SELECT id FROM given EXCEPT SELECT id FROM added"))

# The usual case in one statement, which is a transaction by itself: where every organization stays below the threshold
# that comes next, all rows are added. Otherwise none, and the answer says so.
ADD_WHERE_THERE_IS_ROOM = " ".join(
    (
        "WITH",
        _ROOM,
        _GIVEN,
        "WHERE (SELECT enough FROM room)",
        _ADDED,
        "SELECT (SELECT enough FROM room), ARRAY(SELECT id FROM given EXCEPT SELECT id FROM added)",
    )
)

# Which of the given rows are there already, by the row itself and by the id of the event.
KNOWN_BY_ROW = " ".join(
    ("WITH", _GIVEN, ") SELECT given.id FROM given JOIN projects_tracked_event AS event ON event.id = given.id")
)
KNOWN_BY_EVENT_ID = " ".join(
    (
        "WITH",
        _GIVEN,
        ") SELECT given.id FROM given JOIN projects_tracked_event AS event ON event.org_id = given.org_id",
        "AND event.project_id = given.project_id AND event.event_id = given.event_id",
    )
)
