"""The operator's master keys: from the environment, from a file, or from both."""

from pathlib import Path

from config.environment import Environment
from config.kernel.crypto import KEY_BYTES, KeyTextError, MasterKey

KEYS = "TENANTRY_ENCRYPTION_KEYS"
FILE = "TENANTRY_ENCRYPTION_KEYS_FILE"


def read_encryption_keys(environment: Environment, running: str) -> tuple[list[str], list[str]]:
    """The keys, the newest first, and a sentence for each thing that is wrong. `running` is the key of `make run`."""
    keys = environment.texts(
        "TENANTRY_ENCRYPTION_KEYS",
        [],
        "Master keys of the secrets at rest, each 32 random bytes in base64 (`openssl rand -base64 32`): the newest, "
        "first, encrypts, all decrypt ([how to change them](operators.md)).",
        default_words="one of its own while `make run` runs",
    )
    file = environment.text(
        "TENANTRY_ENCRYPTION_KEYS_FILE",
        "",
        "A file with master keys, one a line, the newest first; they come after those of `TENANTRY_ENCRYPTION_KEYS`.",
    )
    keys_of_file, problems = keys_in(file)
    keys += keys_of_file
    if not keys and not file and running:
        keys = [running]
    return keys, problems or problems_of_keys(keys)


def keys_in(file: str) -> tuple[list[str], list[str]]:
    """The keys of a file, one a line (empty lines and those with # are none), and a sentence for what is wrong."""
    if not file:
        return [], []
    try:
        lines = Path(file).read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        return [], [f"{FILE}: it cannot be read ({reason}); name a readable file with one key a line."]
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")], []


def problems_of_keys(keys: list[str]) -> list[str]:
    """One sentence for each key that is malformed, too short or there twice, named by its place in the list."""
    found = []
    seen: dict[str, int] = {}
    for number, text in enumerate(keys, start=1):
        try:
            key = MasterKey.of(text)
        except KeyTextError as error:
            found.append(f"{KEYS}: key {number} {error}; make one with `openssl rand -base64 {KEY_BYTES}`.")
            continue
        if key.id in seen:
            found.append(f"{KEYS}: key {number} is key {seen[key.id]} again; name each key once.")
        seen.setdefault(key.id, number)
    if not keys:
        found.append(
            f"{KEYS}: set it to {KEY_BYTES} random bytes in base64 (`openssl rand -base64 {KEY_BYTES}`), or set {FILE}."
        )
    return found
