"""Changes are recorded once and delivered at least once, and nothing else is, whoever is killed at whatever instant."""

import json
import logging
import os
import random
import threading
import time
from collections import Counter, defaultdict
from typing import Any

import pytest
import requests

from config.kernel.identifiers import parse_public_id, public_id
from tests.browser.site import ADDRESS
from tests.receivers import Receiver, receiving
from tests.webhooks.chaos import Chaos, chaos, wait_until

pytestmark = pytest.mark.xdist_group("chaos")
log = logging.getLogger(__name__)

# Who changes how much, and where: processes that use the services, and programs that use the API.
WRITERS = {"first": ("acme", 0, 1600), "second": ("acme", 1, 1600), "third": ("globex", 0, 1400)}
PROGRAMS = {"fourth": 2, "fifth": 3}
REQUESTS = 200
CHANGES = sum(count for _, _, count in WRITERS.values()) + REQUESTS * len(PROGRAMS)
# Who is killed, and how often, in a random order.
VICTIMS = {"postgres": 3, "valkey": 2, "web": 2, "deliveries": 3, "worker": 2, "beat": 1, **dict.fromkeys(WRITERS, 1)}
# Generous, since other tests keep the machine busy.
PATIENCE_FOR_ALL = 240.0


class Program(threading.Thread):
    """Makes keys by the API, each request until it is answered."""

    def __init__(self, world: Chaos, token: str, name: str, project: str) -> None:
        super().__init__(daemon=True)
        self.world, self.name_, self.project = world, name, project
        self.headers = {"Authorization": f"Bearer {token}"}
        self.failures = 0
        self.unexpected: list[str] = []

    def run(self) -> None:
        address = f"http://{ADDRESS}:{self.world.web_port}/api/v1/orgs/acme/projects/{self.project}/keys"
        conversation = requests.Session()
        conversation.trust_env = False
        for number in range(REQUESTS):
            name = f"{self.name_}-{number}"
            headers = {**self.headers, "Idempotency-Key": name}
            body = {"kind": "secret", "mode": "live", "name": name}
            while True:
                try:
                    answer = conversation.post(address, json=body, headers=headers, timeout=20)
                except requests.RequestException:
                    self.failures += 1
                    time.sleep(0.05)
                    continue
                if answer.status_code == 201:
                    break
                self.failures += 1
                if answer.status_code not in (409, 500, 503):
                    self.unexpected.append(f"{answer.status_code} {answer.text[:300]}")
                    return
                time.sleep(0.05)


def test_every_change_is_recorded_once_and_delivered_whoever_is_killed() -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))
    log.warning("Repeat this with CHAOS_SEED=%s", seed)
    with receiving() as receiver, chaos(seed) as world:
        prepared = world.prepare(receiver.url("").removesuffix("/"))
        first = world.rows("SELECT id FROM audit_event ORDER BY id DESC LIMIT 1")[0][0]
        for name in ("web", "deliveries", "worker", "beat"):
            world.start(name)
        world.await_web()
        programs = [Program(world, prepared["token"], name, f"project-{n}") for name, n in PROGRAMS.items()]
        start_writers(world, prepared)
        for program in programs:
            program.start()
        try:
            kill_at_random(world, programs)
            settle(world)
        finally:
            log.warning("What was done:\n%s", "\n".join(f"{seconds:7.2f} {deed}" for seconds, deed in world.deeds))
        assert [program.unexpected for program in programs] == [[] for _ in programs]
        records = read_ledger(world, first)
        assert_recorded_once(world, prepared, records)
        assert_delivered(world, prepared, records, receiver)
        assert_chains_hold(world)


def start_writers(world: Chaos, prepared: dict[str, Any]) -> None:
    for name, (slug, project, count) in WRITERS.items():
        organization = prepared["organizations"][slug]
        world.commands[name] = [
            "tests.webhooks.writing", "write", json.dumps(organization), organization["projects"][project], name,
            str(count),
        ]  # fmt: skip
        world.start(name)


def kill_at_random(world: Chaos, programs: list[Program]) -> None:
    """At random moments of the work, so that it does not matter how fast the machine is; sometimes two at once."""
    victims = [name for name, times in VICTIMS.items() for _ in range(times)]
    world.random.shuffle(victims)
    moments = sorted(world.random.uniform(0.02, 0.95) * CHANGES for _ in victims)
    while victims:
        fallen, moment = {victims.pop()}, moments.pop(0)
        if victims and world.random.random() < 0.3:
            fallen.add(victims.pop())
            moments.pop(0)
        wait_until(lambda: world.count_records() >= moment, "more changes are made", PATIENCE_FOR_ALL)  # noqa: B023
        for name in sorted(fallen):
            # A writer that is done has nothing to be killed for.
            if name in WRITERS and world.has_ended(name):
                fallen.discard(name)
            else:
                world.kill(name)
        time.sleep(world.random.uniform(0.0, 0.5))
        for name in sorted(fallen):
            world.revive(name)
    wait_until(
        lambda: all(map(world.has_ended, WRITERS)) and not any(program.is_alive() for program in programs),
        "all changes are made", PATIENCE_FOR_ALL,
    )  # fmt: skip


def settle(world: Chaos) -> None:
    """Until all is sealed and delivered. What a killed worker had is due at once instead of when its lease is over."""
    world.note("settling")
    world.do("UPDATE webhook_delivery SET due_at = now(), claimed_until = NULL WHERE due_at IS NOT NULL")
    owed = """
        SELECT (SELECT count(*) FROM webhook_outbox) + (SELECT count(*) FROM webhook_delivery WHERE due_at IS NOT NULL)
             + (SELECT count(*) FROM audit_event e WHERE NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.id = e.id))
    """
    wait_until(lambda: world.rows(owed)[0][0] == 0, "all is sealed and delivered", PATIENCE_FOR_ALL)
    world.note("settled")


def read_ledger(world: Chaos, first: Any) -> list[tuple[Any, ...]]:
    """What was recorded since the preparations, of Acme and Globex."""
    return world.rows(
        "SELECT id, org_id, event, target_id, target_label, data FROM audit_event WHERE id > %s AND org_id IN "
        "(SELECT id FROM orgs_organization) ORDER BY id", first,
    )  # fmt: skip


def wanted_names() -> set[str]:
    names = {f"{name}-{number}" for name, (_, _, count) in WRITERS.items() for number in range(count)}
    return names | {f"{name}-{number}" for name in PROGRAMS for number in range(REQUESTS)}


def assert_recorded_once(world: Chaos, prepared: dict[str, Any], records: list[tuple[Any, ...]]) -> None:
    """Each change that stands in the tables has one record, and each record is of such a change."""
    keys = world.rows("SELECT id, org_id, name, note FROM keys_key WHERE name ~ '-[0-9]+$'")
    made = Counter((row[1], "key.created", public_id("key", row[0]), row[2]) for row in keys)
    changed = Counter((row[1], "key.updated", public_id("key", row[0]), row[3]) for row in keys if row[3])
    assert sum((made + changed).values()) == CHANGES
    assert {told[-1] for told in made + changed} == wanted_names()
    found = Counter(
        (org_id, event, target, data["changes"]["note"][1] if event == "key.updated" else label.partition(" ")[0])
        for _, org_id, event, target, label, data in records
    )
    assert found == made + changed


def assert_delivered(
    world: Chaos, prepared: dict[str, Any], records: list[tuple[Any, ...]], receiver: Receiver
) -> None:
    """Each record reached its own organization's endpoint, under one id with one body; nothing else did."""
    bodies: dict[str, dict[str, set[bytes]]] = {slug: defaultdict(set) for slug in prepared["organizations"]}
    for received in receiver.requests:
        bodies[received.path.rpartition("/")[2]][received.id].add(received.body)
    before = dict(world.rows("SELECT id, org_id FROM audit_event"))
    for slug, organization in prepared["organizations"].items():
        wanted = {public_id("evt", row[0]) for row in records if str(row[1]) == organization["id"]}
        got = set(bodies[slug])
        assert wanted - got == set()
        assert {parse_public_id("evt", one) for one in got} <= {
            one for one, org_id in before.items() if str(org_id) == organization["id"]
        }
        assert [one for one, versions in bodies[slug].items() if len(versions) != 1] == []
        for one, (body,) in bodies[slug].items():
            assert json.loads(body)["data"]["id"] == one
    log.warning("%s requests for %s events", len(receiver.requests), sum(map(len, bodies.values())))


def assert_chains_hold(world: Chaos) -> None:
    answers = json.loads(world.run("manage.py", "verify_audit", "--json"))
    assert answers["holds"], answers
    counted = dict(world.rows("SELECT org_id, count(*) FROM audit_event GROUP BY org_id"))
    assert sum(row["records"] for row in answers["organizations"]) == sum(counted.values())
