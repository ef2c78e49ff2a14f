"""The function that takes tracked events in (keys/tracking/writing.py): in the database, so that its plan is kept."""

from django.db import migrations

# wanted: how many events each organization sends, by its id. limits: how many each plan includes, by its name; null for
# no limit. The months' rows are locked in the order of their ids before anything else. Where every organization stays
# below the threshold that comes next, all events are added; otherwise none, and `enough` is false. `repeated` are the
# ids of given rows that were there already. The first event of a day's row lends it its id, which sorts by time as every
# id does.
FUNCTION = """
CREATE FUNCTION projects_add_events(
    wanted jsonb, limits jsonb, this_month date, received timestamptz, events jsonb,
    OUT enough boolean, OUT repeated uuid[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    WITH asked AS MATERIALIZED (
        SELECT key::uuid AS org_id, value::bigint AS number FROM jsonb_each_text(wanted)
    ), held AS MATERIALIZED (
        SELECT month.org_id, month.count, CASE WHEN month.warned_80_at IS NULL THEN 80 ELSE 100 END AS percent,
               limits ? organization.plan AS known, (limits ->> organization.plan)::bigint AS included
        FROM projects_usage_month AS month JOIN orgs_organization AS organization ON organization.id = month.org_id
        WHERE month.org_id = ANY (ARRAY(SELECT org_id FROM asked)) AND month.month = this_month
        ORDER BY month.org_id
        FOR UPDATE OF month
    ), room AS MATERIALIZED (
        SELECT count(held.org_id) = count(*) AND bool_and(
            held.known AND (held.included IS NULL OR (held.count + asked.number) * 100 < held.included * held.percent)
        ) AS enough
        FROM asked LEFT JOIN held ON held.org_id = asked.org_id
    ), given AS MATERIALIZED (
        SELECT event.* FROM jsonb_to_recordset(events) AS event (
            id uuid, org_id uuid, project_id uuid, key text, domain text, event_id text, name text,
            occurred_at timestamptz, properties jsonb
        ) WHERE (SELECT enough FROM room)
    ), added AS (
        INSERT INTO projects_tracked_event
            (id, org_id, created_at, project_id, key, domain, event_id, name, occurred_at, properties)
        SELECT id, org_id, received, project_id, key, domain, event_id, name, occurred_at, properties FROM given
        ON CONFLICT DO NOTHING
        RETURNING id, org_id, project_id, key, domain, name, (occurred_at AT TIME ZONE 'UTC')::date AS day
    ), days AS (
        INSERT INTO projects_usage_day AS counted
            (id, org_id, project_id, day, key, domain, name, count, created_at, updated_at)
        SELECT (array_agg(id ORDER BY id))[1], org_id, project_id, day, key, domain, name, count(*), received, received
        FROM added GROUP BY org_id, project_id, day, key, domain, name
        ON CONFLICT (org_id, project_id, day, key, domain, name)
        DO UPDATE SET count = counted.count + excluded.count, updated_at = excluded.updated_at
    ), months AS (
        UPDATE projects_usage_month AS month SET count = month.count + new.number, updated_at = received
        FROM (SELECT org_id, count(*) AS number FROM added GROUP BY org_id) AS new
        WHERE month.org_id = new.org_id AND month.month = this_month
    )
    SELECT room.enough, ARRAY(SELECT id FROM given EXCEPT SELECT id FROM added) INTO enough, repeated FROM room;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("projects", "0006_domains"), ("orgs", "0001_initial")]

    operations = [
        migrations.RunSQL(FUNCTION, "DROP FUNCTION projects_add_events(jsonb, jsonb, date, timestamptz, jsonb)"),
    ]
