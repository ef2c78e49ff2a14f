// Two OpenID providers (oidc-provider) on ports of their own, and knobs that make each of them lie.
//
// Writes {"one": issuer, "two": issuer} to standard output. POST /_test takes {accounts, knobs}:
// accounts: claims by subject; whoever signs in types their subject, with any password.
// knobs: {id_token: {claims, sign}, userinfo: {…}, discovery: {…}, status: {path: code}}.
// POST /_sign takes {claims, header}, and answers with a token of its own key.
// `sign` is "other" (another key under the same id), "broken", "none" or "hs256" (with the public key as the secret).
import { createServer } from "node:http";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { decodeJwt } from "jose";
import Provider from "oidc-provider";

const HOST = "localhost"; // another site than 127.0.0.1, where Tenantry is

async function start() {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const other = await generateKeyPair("RS256", { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: "key-1", alg: "RS256", use: "sig" };
  const state = { accounts: {}, knobs: {} };
  const server = createServer();
  await new Promise((resolve) => server.listen(0, HOST, resolve));
  const issuer = `http://${HOST}:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [key] },
    cookies: { keys: ["only for tests"] },
    scopes: ["openid", "offline_access", "email", "profile", "groups"],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
    features: {
      backchannelLogout: { enabled: true },
      registration: {
        enabled: true,
        idFactory: (context) => context.get("x-client-id"),
        secretFactory: (context) => context.get("x-client-secret"),
      },
    },
    // Its own would not call this machine.
    fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, ...state.accounts[id] }),
    }),
    ttl: { Session: 3600, Interaction: 3600, Grant: 3600, AccessToken: 3600, IdToken: 3600 },
  });
  provider.on("server_error", (_context, error) => console.error(error));
  provider.on("backchannel.error", (_context, error) => console.error(error));

  async function resigned(token, { claims, sign }) {
    const changed = { ...decodeJwt(token), ...claims };
    for (const name of Object.keys(changed)) if (changed[name] === null) delete changed[name];
    if (sign === "none") return new UnsecuredJWT(changed).encode();
    if (sign === "hs256") {
      const secret = new TextEncoder().encode(await exportSPKI(publicKey));
      return new SignJWT(changed).setProtectedHeader({ alg: "HS256", kid: "key-1" }).sign(secret);
    }
    const signer = sign === "other" ? other.privateKey : privateKey;
    const signed = await new SignJWT(changed).setProtectedHeader({ alg: "RS256", kid: "key-1" }).sign(signer);
    return sign === "broken" ? signed.slice(0, -8) + (signed.endsWith("AAAAAAAA") ? "BBBBBBBB" : "AAAAAAAA") : signed;
  }

  async function tampered(path, body) {
    const { id_token, userinfo, discovery } = state.knobs;
    if (path === "/token" && id_token && body.id_token) body.id_token = await resigned(body.id_token, id_token);
    if (path === "/me") Object.assign(body, userinfo);
    if (path === "/.well-known/openid-configuration") Object.assign(body, discovery);
    return body;
  }

  const handle = provider.callback();
  server.on("request", async (request, response) => {
    const path = request.url.split("?")[0];
    if (path === "/_test") {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      Object.assign(state, JSON.parse(Buffer.concat(pieces)));
      return response.end("{}");
    }
    if (path === "/_sign") {
      const pieces = [];
      for await (const piece of request) pieces.push(piece);
      const { claims, header } = JSON.parse(Buffer.concat(pieces));
      const signed = new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "key-1", typ: "logout+jwt", ...header });
      return response.end(await signed.sign(privateKey));
    }
    const status = (state.knobs.status ?? {})[path];
    if (status) {
      response.statusCode = status;
      return response.end("broken on purpose");
    }
    if (["/token", "/me", "/.well-known/openid-configuration"].includes(path) && Object.keys(state.knobs).length) {
      const end = response.end.bind(response);
      response.end = (body) => {
        tampered(path, JSON.parse(body)).then((changed) => {
          const text = JSON.stringify(changed);
          response.setHeader("content-length", Buffer.byteLength(text));
          end(text);
        });
        return response;
      };
    }
    return handle(request, response);
  });
  return issuer;
}

const [one, two] = [await start(), await start()];
console.log(JSON.stringify({ one, two }));
process.stdin.on("end", () => process.exit()).resume();
