// Receives webhooks of Tenantry, with Node's standard library alone (20 or newer).
//
//     export WEBHOOK_SECRET=whsec_…
//     node webhook-receiver.mjs 8080
//
// Writes the name and id of each event, once, whatever is delivered twice. Put it behind your TLS.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { argv, env } from "node:process";

const TOLERANCE_SECONDS = 300;
const MOST_BYTES = 1024 * 1024;
// In life: a table with a unique id, written in the transaction of the work.
const seen = new Set();

// The event, or null unless a `v1` signature fits and its timestamp is within five minutes of now.
export function verified(secret, headers, body) {
  const id = headers["webhook-id"];
  const timestamp = Number(headers["webhook-timestamp"]);
  if (!id || !(Math.abs(Date.now() / 1000 - timestamp) <= TOLERANCE_SECONDS)) return null;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  // While a secret is rotated there are two signatures, and one fits.
  const fits = (headers["webhook-signature"] ?? "").split(" ").some((part) => {
    const [version, text = ""] = part.split(",");
    const given = Buffer.from(text, "base64");
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  });
  return fits ? JSON.parse(body) : null;
}

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

// Answers at once; what takes long belongs into a queue of yours.
const server = createServer(async (request, response) => {
  // Tenantry always says how long a body is; that it is a number, and true, Node.js sees to.
  if (!(Number(request.headers["content-length"]) <= MOST_BYTES)) {
    response.writeHead(413, { connection: "close" }).end();
    return;
  }
  const body = await bodyOf(request).catch(() => null); // it broke off
  const event = body && verified(env.WEBHOOK_SECRET, request.headers, body);
  if (event && !seen.has(request.headers["webhook-id"])) {
    seen.add(request.headers["webhook-id"]);
    console.log(event.type, request.headers["webhook-id"]);
  }
  response.writeHead(event ? 204 : 400).end();
});

server.listen(Number(argv[2]), "127.0.0.1", () => {
  console.log(`Listening at http://127.0.0.1:${server.address().port}`);
});
