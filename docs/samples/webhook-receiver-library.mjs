// Receives webhooks of Tenantry with the library of Standard Webhooks (`npm install standardwebhooks`).
//
//     export WEBHOOK_SECRET=whsec_…
//     node webhook-receiver-library.mjs 8080
//
// Writes the name and id of each event, once, whatever is delivered twice. Put it behind your TLS.

import { createServer } from "node:http";
import { argv, env } from "node:process";
import { Webhook } from "standardwebhooks";

const MOST_BYTES = 1024 * 1024;
const webhook = new Webhook(env.WEBHOOK_SECRET);
// In life: a table with a unique id, written in the transaction of the work.
const seen = new Set();

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

function verified(headers, body) {
  try {
    return webhook.verify(body.toString(), headers);
  } catch {
    return null;
  }
}

// Answers at once; what takes long belongs into a queue of yours.
const server = createServer(async (request, response) => {
  // Tenantry always says how long a body is; that it is a number, and true, Node.js sees to.
  if (!(Number(request.headers["content-length"]) <= MOST_BYTES)) {
    response.writeHead(413, { connection: "close" }).end();
    return;
  }
  const body = await bodyOf(request).catch(() => null); // it broke off
  const event = body && verified(request.headers, body);
  if (event && !seen.has(request.headers["webhook-id"])) {
    seen.add(request.headers["webhook-id"]);
    console.log(event.type, request.headers["webhook-id"]);
  }
  response.writeHead(event ? 204 : 400).end();
});

server.listen(Number(argv[2]), "127.0.0.1", () => {
  console.log(`Listening at http://127.0.0.1:${server.address().port}`);
});
