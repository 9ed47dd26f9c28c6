/** A Flask app that hands its visitor's cookies to `whoami` and asks `/check`, as apps of Kratos and Keto 0.8 do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Browser } from '../harness/browser.ts';
import { DEBIAN_PATH, has, missingPeers } from '../harness/peers.ts';
import { freePort, ROOT, until, World } from '../harness/postern.ts';

const APP = `import os

import requests
from flask import Flask, abort, redirect, request

app = Flask(__name__)
WHOAMI = os.environ["KRATOS_EXTERNAL_API_URL"] + "/sessions/whoami"
CHECK = os.environ["KETO_API_READ_URL"] + "/check"


@app.route("/")
def home():
    if "ory_kratos_session" not in request.cookies:
        return redirect(os.environ["KRATOS_UI_URL"])
    person = requests.get(WHOAMI, cookies=request.cookies).json()
    if not person.get("active"):
        abort(403)
    mail = person["identity"]["traits"]["email"]
    relation = {
        "namespace": "app",
        "object": "homepage",
        "relation": "read",
        "subject_id": mail.replace("@", ""),
    }
    if not requests.get(CHECK, params=relation).json().get("allowed"):
        abort(403)
    return "Welcome"
`;
const PASSWORD = 'correct horse battery';
const missing = missingPeers({
  Flask: await has.python('flask'),
  requests: await has.python('requests'),
});

describe.skipIf(missing.length > 0)('a Flask app that asks whoami and check', () => {
  let world: World;
  let app: ChildProcess | undefined;
  let accounts = '';
  let home = '';
  let signIn = '';

  beforeAll(async () => {
    const [port, readPort, appPort] = [await freePort(), await freePort(), await freePort()];
    accounts = `http://127.0.0.1:${port}`;
    home = `http://127.0.0.1:${appPort}`;
    signIn = `${accounts}/self-service/login/browser`;
    world = new World({
      POSTERN_LISTEN_PUBLIC: `127.0.0.1:${port}`,
      POSTERN_LISTEN_PERMISSIONS_READ: `127.0.0.1:${readPort}`,
    });
    const example = join(ROOT, 'examples/access-control');
    const put = (name: string, change: (text: string) => string): void =>
      writeFileSync(join(world.folder, name), change(readFileSync(join(example, name), 'utf8')));
    put('kratos.yml', (text) =>
      text.replaceAll(':8080', `:${appPort}`).replaceAll(':4433', `:${port}`),
    );
    put('keto.yml', (text) => text);
    put('identity.schema.json', (text) => text);
    const file = join(world.folder, 'server.yaml');
    writeFileSync(file, 'accounts: { kratos: ./kratos.yml }\npermissions: ./keto.yml\n');
    await world.startServer('--config', file);
    await world.ok('admin', 'enroll');
    const folder = join(world.folder, 'flask');
    mkdirSync(folder);
    writeFileSync(join(folder, 'main.py'), APP);
    app = spawn('/usr/bin/python3', ['-m', 'flask', '--app', 'main', 'run', '-p', `${appPort}`], {
      cwd: folder,
      stdio: 'ignore',
      env: {
        PATH: DEBIAN_PATH,
        KRATOS_EXTERNAL_API_URL: accounts,
        KRATOS_UI_URL: signIn,
        KETO_API_READ_URL: `http://127.0.0.1:${readPort}`,
      },
    });
    await until(() => fetch(home, { redirect: 'manual' }), 'the app');
  }, 60_000);
  afterAll(async () => {
    app?.kill();
    await world?.close();
  }, 60_000);

  /** Somebody who has registered in a browser, by our own pages. */
  async function register(email: string): Promise<Browser> {
    const browser = new Browser(accounts);
    let page = await browser.open('/self-service/registration/browser');
    const name = { 'traits.name.first': 'A', 'traits.name.last': 'B' };
    page = await browser.submit(page, { 'traits.email': email, ...name }, ['method', 'profile']);
    await browser.submit(page, { password: PASSWORD }, ['method', 'password']);
    expect([...browser.cookies.keys()]).toContain('ory_kratos_session');
    return browser;
  }

  it('sends strangers to sign in', async () => {
    const page = await new Browser(accounts).ask('GET', home);
    expect([page.status, page.location]).toEqual([302, signIn]);
  });

  it('welcomes somebody only once the relation is there, and nobody else', async () => {
    const ann = await register('minkin.andrew@gmail.com');
    expect((await ann.ask('GET', home)).status).toBe(403);
    await world.ok(
      ...(['admin', 'permission', 'create'] as const),
      'app:homepage#read@minkin.andrewgmail.com',
    );
    const page = await ann.ask('GET', home);
    expect([page.status, page.text]).toEqual([200, 'Welcome']);
    const mallory = await register('mallory@example.com');
    expect((await mallory.ask('GET', home)).status).toBe(403);
  }, 30_000);

  it('denies a cookie that is no session, and one whose session was ended', async () => {
    const forged = new Browser(accounts);
    forged.cookies.set('ory_kratos_session', 'nobody');
    expect((await forged.ask('GET', home)).status).toBe(403);
    const left = new Browser(accounts);
    const page = await left.open('/self-service/login/browser');
    const typed = { identifier: 'minkin.andrew@gmail.com', password: PASSWORD };
    await left.submit(page, typed, ['method', 'password']);
    expect((await left.ask('GET', home)).status).toBe(200);
    const kept = left.cookies.get('ory_kratos_session') ?? '';
    const asked = await left.ask('GET', '/self-service/logout/browser', {
      headers: { accept: 'application/json' },
    });
    const { logout_url: out }: { logout_url: string } = JSON.parse(asked.text);
    await left.ask('GET', out);
    expect((await left.ask('GET', home)).location).toBe(signIn);
    left.cookies.set('ory_kratos_session', kept);
    expect((await left.ask('GET', home)).status).toBe(403);
  }, 30_000);
});
