// A SAML 2.0 identity provider (samlp). Everything it says can be set from outside, its lies included.
//
// Writes {"origin": …} to standard output. POST /_test takes the options of samlp.auth together with
// {people: {login: profile}, acs, error: {code, description}}. GET /sso signs the person in whose login the form of
// the page names; without a SAMLRequest it answers unsolicited.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import samlp from "samlp";

const HOST = "localhost";
const [keyFile, certFile] = process.argv.slice(2);
const own = { key: readFileSync(keyFile), cert: readFileSync(certFile) };
let settings = { people: {} };

class Profile {
  constructor(person) {
    this.person = person;
    this.metadata = [];
  }
  getClaims() {
    return this.person.attributes;
  }
  getNameIdentifier() {
    return { nameIdentifier: this.person.id, nameIdentifierFormat: this.person.format };
  }
}

async function body(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

function page(fields) {
  const hidden = Object.entries(fields)
    .map(([name, value]) => `<input type="hidden" name="${name}" value="${value.replaceAll('"', "&quot;")}">`)
    .join("");
  return `<!doctype html><title>Sign in</title><form method="post" action="/sso">${hidden}
    <label>Login <input name="login"></label><button>Sign in</button></form>`;
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, `http://${HOST}`);
  if (url.pathname === "/_test") {
    settings = JSON.parse(await body(request));
    return response.end("{}");
  }
  if (url.pathname !== "/sso") {
    response.statusCode = 404;
    return response.end();
  }
  response.set = (name, value) => response.setHeader(name, value);
  response.send = (text) => {
    if (typeof text === "number") response.statusCode = text;
    response.end(String(text));
  };
  if (request.method === "GET") {
    response.set("Content-Type", "text/html");
    return response.end(page(Object.fromEntries(url.searchParams)));
  }
  const form = Object.fromEntries(new URLSearchParams(await body(request)));
  const { people, acs, error, ...options } = settings;
  const shared = { ...own, ...options, destination: options.destination ?? acs, recipient: options.recipient ?? acs };
  const fail = (problem) => {
    response.statusCode = 500;
    response.end(String(problem?.stack ?? problem));
  };
  if (error) {
    const answer = samlp.sendError({ ...shared, error, getPostURL: (_request, done) => done(null, acs) });
    return answer({ ...request, query: {}, body: form }, response, fail);
  }
  const answer = samlp.auth({
    ...shared,
    profileMapper: (person) => new Profile(person),
    getUserFromRequest: () => people[form.login],
    getPostURL: (_audience, _dom, _request, done) => done(null, acs),
  });
  return answer({ method: "POST", query: {}, body: form, headers: request.headers }, response, fail);
});
server.listen(0, HOST, () => console.log(JSON.stringify({ origin: `http://${HOST}:${server.address().port}` })));
process.stdin.on("end", () => process.exit()).resume();
