"""Each record of the ledger fills the outbox in its own transaction, where an endpoint of its organization is enabled.

A trigger, because that costs recording no trip to the database, and no way of recording gets around it.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION webhooks_fill_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.webhook_outbox (id, org_id)
    SELECT NEW.id, NEW.org_id
    WHERE EXISTS (SELECT 1 FROM public.webhook_endpoint WHERE org_id = NEW.org_id AND state = 'enabled');
    RETURN NULL;
END $$;
CREATE TRIGGER webhooks_fill_outbox AFTER INSERT ON audit_event
    FOR EACH ROW EXECUTE FUNCTION webhooks_fill_outbox();
"""
BACKWARD = """
DROP TRIGGER webhooks_fill_outbox ON audit_event;
DROP FUNCTION webhooks_fill_outbox();
"""


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0001_initial"), ("audit", "0004_partitions")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
