// Verifies an entitlement token of Tenantry without asking for it: only the public keys are fetched, and kept.
//
// Node 20 or newer with jose (`npm install jose`); the function works in browsers too:
//
//     node licence-check.mjs https://tenantry.example.com prj_… shop.example.com < token
//
// Writes the claims, and ends with 1 when the token is not to be believed.

import { createRemoteJWKSet, jwtVerify } from "jose";

// A function (token, domain) => claims for one project of one Tenantry. It throws when the token is not to be believed.
export function licenceChecker(tenantry, project) {
  const issuer = tenantry.replace(/\/$/, "");
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), { cacheMaxAge: 300_000 });
  return async (token, domain) => {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: project,
      algorithms: ["EdDSA"],
      typ: "entitlement+jwt", // other tokens are signed with the same keys
      requiredClaims: ["exp", "sub", "org", "domain", "plan", "features", "limits", "downgraded"],
      clockTolerance: 5,
    });
    if (payload.domain !== domain) throw new Error("This is the token of another domain.");
    return payload;
  };
}

async function main([tenantry, project, domain]) {
  const { readFileSync } = await import("node:fs");
  try {
    const claims = await licenceChecker(tenantry, project)(readFileSync(0, "utf8").trim(), domain);
    process.stdout.write(`${JSON.stringify(claims)}\n`);
  } catch (error) {
    process.stderr.write(`Refused: ${error.message}\n`);
    process.exitCode = 1;
  }
}

if (globalThis.process?.argv[1]?.endsWith("licence-check.mjs")) await main(process.argv.slice(2));
