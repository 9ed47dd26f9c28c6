/** A web app that logs people in with Flask and Authlib, as apps at Auth0 do: over TLS with our CA, driven in Chromium. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fillIn, startChromium } from '../harness/chromium.ts';
import { DEBIAN_PATH, has, missingPeers } from '../harness/peers.ts';
import { freePort, until, World } from '../harness/postern.ts';

const APP = `import os
from urllib.parse import urlencode

from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for
from markupsafe import escape

DOMAIN = os.environ["AUTH0_DOMAIN"]
CLIENT = os.environ["AUTH0_CLIENT_ID"]

app = Flask(__name__)
app.secret_key = os.environ["APP_SECRET_KEY"]
provider = OAuth(app).register(
    "auth0",
    client_id=CLIENT,
    client_secret=os.environ["AUTH0_CLIENT_SECRET"],
    client_kwargs={"scope": "openid profile email"},
    server_metadata_url="https://%s/.well-known/openid-configuration" % DOMAIN,
)


@app.route("/")
def home():
    user = session.get("user")
    if user is None:
        return '<h1>Welcome Guest</h1><a href="/login">Login</a>'
    name = escape(user["userinfo"]["name"])
    return '<h1>Welcome %s!</h1><a href="/logout">Logout</a>' % name


@app.route("/login")
def login():
    return provider.authorize_redirect(redirect_uri=url_for("callback", _external=True))


@app.route("/callback", methods=["GET", "POST"])
def callback():
    session["user"] = provider.authorize_access_token()
    return redirect("/")


@app.route("/logout")
def logout():
    session.clear()
    query = urlencode({"returnTo": url_for("home", _external=True), "client_id": CLIENT})
    return redirect("https://%s/v2/logout?%s" % (DOMAIN, query))
`;

const missing = missingPeers({
  chromium: has.program('chromium'),
  Flask: await has.python('flask'),
  Authlib: await has.python('authlib'),
  requests: await has.python('requests'),
});

describe.skipIf(missing.length > 0)('a Flask app with Authlib', () => {
  let world: World;
  let app: ChildProcess | undefined;
  let browser: Browser | undefined;
  let page: Page;
  let home = '';
  let domain = '';

  beforeAll(async () => {
    const port = await freePort();
    const appPort = await freePort();
    domain = `localhost:${port}`;
    home = `http://127.0.0.1:${appPort}`;
    world = new World({
      POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}`,
      POSTERN_ACCOUNTS_PUBLIC_URL: `https://${domain}`,
    });
    await world.startServer();
    await world.ok('admin', 'enroll');
    // A single-page application with a secret, as its guide says.
    const made: { id: string; secret: string } = JSON.parse(
      await world.ok(
        ...(['admin', 'client', 'create', 'oidc', '--type', 'spa'] as const),
        ...(['--callback', `${home}/callback`, '--logout-url', home, '--output', 'json'] as const),
      ),
    );
    const folder = join(world.folder, 'flask');
    mkdirSync(folder);
    writeFileSync(join(folder, 'main.py'), APP);
    app = spawn('/usr/bin/python3', ['-m', 'flask', '--app', 'main', 'run', '-p', `${appPort}`], {
      cwd: folder,
      stdio: 'ignore',
      env: {
        PATH: DEBIAN_PATH,
        AUTH0_DOMAIN: domain,
        AUTH0_CLIENT_ID: made.id,
        AUTH0_CLIENT_SECRET: made.secret,
        APP_SECRET_KEY: 'a'.repeat(64),
        REQUESTS_CA_BUNDLE: join(world.serverHome, 'ca.pem'),
      },
    });
    await until(() => fetch(home), 'the app');
    browser = await startChromium();
    page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    app?.kill();
    await world?.close();
  }, 60_000);

  it('lets a stranger sign up, greets them by name, signs them out and asks again', async () => {
    await page.goto(home);
    expect(await page.textContent('h1')).toBe('Welcome Guest');
    await page.click('a');
    expect(new URL(page.url()).host).toBe(domain);
    await page.getByRole('link', { name: 'Create an account' }).click();
    await fillIn(
      page,
      {
        'traits.email': 'ann@example.com',
        'traits.name.first': 'Ann',
        'traits.name.last': 'Miller',
      },
      'Sign up',
    );
    await fillIn(page, { password: 'correct horse battery' }, 'Sign up');
    await page.waitForURL(`${home}/`);
    expect(await page.textContent('h1')).toBe('Welcome Ann Miller!');
    await page.click('a');
    await page.waitForURL(`${home}/`);
    expect(await page.textContent('h1')).toBe('Welcome Guest');
    await page.click('a');
    expect(new URL(page.url()).host).toBe(domain);
    expect(await page.textContent('h1')).toBe('Sign in');
    await fillIn(
      page,
      { identifier: 'ann@example.com', password: 'correct horse battery' },
      /^Sign in/,
    );
    await page.waitForURL(`${home}/`);
    expect(await page.textContent('h1')).toBe('Welcome Ann Miller!');
  }, 60_000);
});
