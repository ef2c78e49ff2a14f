// Asks Tenantry what this page may. For browsers, without dependencies:
//
//     import { Licence } from "./licence.js";
//     const licence = new Licence("https://tenantry.example.com", "pk_live_…");
//     if (await licence.has("pro")) { … }
//
// The answer is kept in memory alone, until shortly before it ends: nothing outlives the page.

const RENEWED_BEFORE_MILLISECONDS = 60_000;

// Why Tenantry gave no licence. `code` is origin_not_allowed, domain_cap_exceeded and the like; empty for a bad key.
export class LicenceRefused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `Tenantry answered ${status}.`);
    this.name = "LicenceRefused";
    this.status = status;
    this.code = problem.code ?? "";
  }
}

export class Licence {
  #url;
  #key;
  #answer = null;
  #asking = null;

  constructor(tenantry, publishableKey) {
    this.#url = new URL("/api/v1/licenses/verify", tenantry);
    this.#key = publishableKey;
  }

  // {token, domain, plan, features, limits, downgraded, expires_at}. Throws LicenceRefused, or TypeError when offline.
  async current() {
    const left = this.#answer ? Date.parse(this.#answer.expires_at) - Date.now() : 0;
    if (left > RENEWED_BEFORE_MILLISECONDS) return this.#answer;
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  // Whether the plan includes a feature. A page that cannot ask has none.
  async has(feature) {
    try {
      return (await this.current()).features.includes(feature);
    } catch {
      return false;
    }
  }

  async #ask() {
    this.#answer = null;
    const response = await fetch(this.#url, {
      method: "POST",
      headers: { Authorization: `Bearer ${this.#key}`, "Content-Type": "application/json" },
      body: "{}",
      cache: "no-store",
      credentials: "omit",
    });
    const body = await response.json();
    if (!response.ok) throw new LicenceRefused(response.status, body);
    this.#answer = body;
    return body;
  }
}
