"""A program for `unshare`: sends to addresses in a network of its own, in which every address leads to its receivers.

It reads cases from standard input, `{"url", "names": {name: [addresses, …]}}`, and writes for each whether the address
passed when it was typed, the outcome of the delivery, and the addresses that a connection was made to. A case with
`silent` names has a name server that never answers for them.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import django

# RFC 5737 and the like would be refused: these are somebody's, whom nothing here ever reaches.
PUBLIC, PUBLIC_TOO, PUBLIC_6 = "93.184.216.34", "8.8.4.4", "2606:2800:220:1::34"
HOSTS = ("good.example", "turning.example", "mixed.example", "elsewhere.example", PUBLIC, PUBLIC_TOO, PUBLIC_6)
PATIENCE = 10.0


def close_off(folder: Path) -> None:
    """Every address of the world is this machine's, and names are asked of it, too."""
    for command in (
        ["ip", "link", "set", "lo", "up"],
        ["ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo"],
        ["ip", "-6", "route", "add", "local", "::/0", "dev", "lo"],
    ):
        subprocess.run(command, check=True)
    for name, text in (
        ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n"),
        ("nsswitch.conf", "hosts: files dns\n"),
    ):
        (folder / name).write_text(text)
        subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)


def typed(url: str) -> str:
    """Why an address is refused when somebody types it; empty if it is not."""
    from config.kernel.addresses import AddressRefused, require_callable

    try:
        require_callable(url)
    except AddressRefused as refusal:
        return str(refusal)
    return ""


def sent(sender: Any, urls: list[str]) -> list[dict[str, Any]]:
    """What became of a call to each, all at once, and after how many seconds."""
    from webhooks.answers import Call

    began = time.monotonic()
    for place, url in enumerate(urls):
        sender.begin(Call(url, [], b"{}", place))
    found: dict[int, dict[str, Any]] = {}
    longest = 0.0
    while sender.calls and time.monotonic() - began < PATIENCE:
        before = time.monotonic()
        answers = sender.wait(0.1)
        longest = max(longest, time.monotonic() - before)
        for answer in answers:
            found[answer.call.token] = {
                "outcome": str(answer.outcome), "detail": answer.detail, "status": answer.status,
                "seconds": time.monotonic() - began,
            }  # fmt: skip
    return [{**found.get(place, {"outcome": "none"}), "longest": longest} for place in range(len(urls))]


def main() -> None:
    """See above."""
    folder = Path(tempfile.mkdtemp())
    close_off(folder)
    django.setup()
    from django.conf import settings

    from tests.certificates import Authority
    from tests.receivers import receiving
    from tests.zones import Zone, served
    from webhooks import sending

    sending.CONNECT_SECONDS, sending.SECONDS = 1, 2
    settings.TENANTRY_OUTBOUND_NETWORKS = []
    authority, zone, results = Authority(folder), Zone(), []
    settings.TENANTRY_WEBHOOK_CA_FILE = str(authority.certificate)
    tls = authority.server(*HOSTS)
    with served(zone, 53), receiving("::", 443, tls=tls) as encrypted, receiving("::", 80) as plain:
        for case in json.load(sys.stdin):
            zone.forget()
            zone.addresses, zone.silent = case["names"], set(case.get("silent", []))
            zone.aliases = case.get("aliases", {})
            result: dict[str, Any] = {"typed": None if zone.silent else typed(case["urls"][0])}
            for each in (encrypted, plain):
                each.reached.clear()
                each.requests.clear()
            sender = sending.Sender(60)
            result["sent"] = [answer for _ in range(case.get("times", 1)) for answer in sent(sender, case["urls"])]
            sender.close()
            result["reached"] = [*encrypted.reached, *plain.reached]
            result["requests"] = len(encrypted.requests) + len(plain.requests)
            results.append(result)
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
