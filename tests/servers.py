"""An early pytest plugin: gives this process its settings before Django reads them.

`make test` starts the servers and names them in the environment; each xdist worker takes a Valkey database and a
folder of its own.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
NUMBER = int(WORKER.removeprefix("gw"))

if "DATABASE_OWNER_URL" not in os.environ:
    raise SystemExit("The tests need their servers: run `make test`, with T=tests/orgs for a part.")

os.environ.setdefault("TENANTRY_SECRET_KEY", "for-tests-only-" + "0123456789abcdefghijklmnopqrstuvwxyz")
os.environ.setdefault("TENANTRY_ENCRYPTION_KEYS", "Rm9yIHRlc3RzIG9ubHksIG5vdCBmb3IgYW55dGhpbmc=")
os.environ["TENANTRY_DEBUG"] = "true"
os.environ["TENANTRY_URL"] = "http://127.0.0.1:8000"
home = Path(os.environ.get("TENANTRY_HOME", ".tenantry")).resolve() / "workers" / WORKER
home.mkdir(parents=True, exist_ok=True)
os.environ["TENANTRY_HOME"] = str(home)
redis = urlsplit(os.environ["REDIS_URL"])
os.environ["REDIS_URL"] = urlunsplit(redis._replace(path=f"/{NUMBER + 1}"))
