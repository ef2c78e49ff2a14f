// Signs a request to Tenantry and checks the signature of the answer (RFC 9421, RFC 9530).
//
// Node 20 or newer, standard library only:
//
//     export TENANTRY_KEY_ID=sas_… TENANTRY_SECRET=…
//     node signed-request.mjs POST https://tenantry.example/api/v1/keys/verify '{"key": "sk_live_…"}' org_…
//
// The body and the organization may be left out. Writes the answer's body, and ends with 1 when the answer is not ours.

import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { argv, env, exit, stderr, stdout } from "node:process";
import { pathToFileURL } from "node:url";

const SKEW_SECONDS = 300;

// The Content-Digest of a body (RFC 9530, 2).
export function contentDigest(body) {
  return `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
}

// The signature over components, given as [identifier, value], and the serialized parameters (RFC 9421, 2.5).
export function signatureOf(secret, covered, parameters) {
  const lines = [...covered, ['"@signature-params"', parameters]].map(([identifier, value]) => `${identifier}: ${value}`);
  return createHmac("sha256", secret).update(lines.join("\n")).digest("base64");
}

// The headers with Content-Digest, Signature-Input and Signature added; every header that is given gets covered.
export function signedHeaders(keyId, secret, { method, url, body = "", headers = {} }) {
  const sent = { ...headers };
  if (body) sent["Content-Digest"] = contentDigest(body);
  const { pathname, search } = new URL(url);
  const covered = [
    ['"@method"', method],
    ['"@path"', pathname],
    ['"@query"', search || "?"],
    ...Object.entries(sent).map(([name, value]) => [`"${name.toLowerCase()}"`, value.trim()]),
  ];
  const identifiers = covered.map(([identifier]) => identifier).join(" ");
  const created = Math.floor(Date.now() / 1000);
  const nonce = randomBytes(16).toString("base64url");
  const parameters = `(${identifiers});created=${created};nonce="${nonce}";keyid="${keyId}";alg="hmac-sha256"`;
  sent["Signature-Input"] = `sig1=${parameters}`;
  sent["Signature"] = `sig1=:${signatureOf(secret, covered, parameters)}:`;
  return sent;
}

function same(one, other) {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

// Throws unless the answer is signed with our secret, for this very request, and not long ago.
// `headers` is a Headers object, `requestSignature` the Signature header that was sent.
export function requireOurAnswer(keyId, secret, { status, headers, body, requestSignature }) {
  const input = /^sig1=(\(([^()]*)\);(.*))$/.exec(headers.get("signature-input") ?? "");
  const signature = /^sig1=:([A-Za-z0-9+/=]+):$/.exec(headers.get("signature") ?? "");
  if (!input || !signature) throw new Error("The answer is not signed.");
  const [, parameters, identifiers, rest] = input;
  const values = new Map([
    ['"@status"', String(status)],
    ['"signature";req', requestSignature],
    ['"content-digest"', headers.get("content-digest") ?? ""],
    ['"content-type"', headers.get("content-type") ?? ""],
  ]);
  const names = identifiers.split(" ");
  const required = ['"@status"', '"signature";req', '"content-digest"'];
  if (!required.every((name) => names.includes(name)) || !names.every((name) => values.has(name))) {
    throw new Error("The answer's signature does not cover what it must.");
  }
  const expected = signatureOf(secret, names.map((name) => [name, values.get(name)]), parameters);
  if (!same(expected, signature[1])) throw new Error("The answer's signature is wrong.");
  if (!same(values.get('"content-digest"'), contentDigest(body))) {
    throw new Error("The answer's body is not the one that was signed.");
  }
  const created = /(?:^|;)created=(\d+)/.exec(rest);
  if (!rest.includes(`keyid="${keyId}"`) || !created || Math.abs(Date.now() / 1000 - Number(created[1])) > SKEW_SECONDS) {
    throw new Error("The answer's signature is of another key or another time.");
  }
}

// The answer's status and body. Throws for an answer that is not ours, such as a 401.
export async function send(keyId, secret, { method, url, body = "", headers = {} }) {
  const given = { ...headers, ...(body ? { "Content-Type": "application/json" } : {}) };
  const signed = signedHeaders(keyId, secret, { method, url, body, headers: given });
  const answer = await fetch(url, { method, body: body || undefined, headers: signed, redirect: "manual" });
  const content = Buffer.from(await answer.arrayBuffer());
  requireOurAnswer(keyId, secret, {
    status: answer.status,
    headers: answer.headers,
    body: content,
    requestSignature: signed["Signature"],
  });
  return { status: answer.status, body: content.toString() };
}

if (import.meta.url === pathToFileURL(argv[1] ?? "").href) {
  const [method, url, body = "", organization = ""] = argv.slice(2);
  const headers = organization ? { "X-Organization-Id": organization } : {};
  try {
    const answer = await send(env.TENANTRY_KEY_ID, env.TENANTRY_SECRET, { method, url, body, headers });
    stdout.write(`${answer.status} ${answer.body}\n`);
  } catch (error) {
    stderr.write(`${error.message}\n`);
    exit(1);
  }
}
