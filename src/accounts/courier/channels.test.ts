/** Text messages and mail over HTTP, and an operator's own templates, read as a kratos.yml has them. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createFabric, type Fabric } from '../../fabric/index.ts';
import { Secret, silentLogger } from '../../kernel/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { defaultConfig } from '../config/config.ts';
import { courierOf } from '../config/courier.ts';
import { Part } from '../config/part.ts';
import type { NewMessage } from '../services.ts';
import { Courier } from './courier.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-channels-'));
let nowMs = 1_700_000_000_000;
const clock = { now: (): number => nowMs };
let store: Store;
let fabric: Fabric;
let server: Server;
let url = '';
interface Seen {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}
const seen: Seen[] = [];
let status = 200;
const logged: object[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(status, status === 302 ? { location: `${url}/other` } : {}).end('123456');
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  store = await openStore({ sqlitePath: join(folder, 'c.sqlite3') });
  const rootKey = { kind: 'value', value: new Secret('22'.repeat(32)) } as const;
  fabric = await createFabric(store, { rootKey, clock });
});
beforeEach(() => {
  seen.length = 0;
  logged.length = 0;
  status = 200;
});
afterAll(async () => {
  await fabric.close();
  await store.close();
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true, force: true });
});

const base64 = (text: string): string => `base64://${Buffer.from(text).toString('base64')}`;
async function courierFor(raw: object): Promise<Courier> {
  const { courier: before } = defaultConfig({ publicUrl: 'http://id.example', adminUrl: '' });
  const config = await courierOf(new Part({ courier: raw }, '').at('courier'), before, {
    load: async (from) =>
      from.startsWith('base64://')
        ? Buffer.from(from.slice(9), 'base64').toString()
        : readFileSync(from.replace('file://', ''), 'utf8'),
    list: (name) => readdir(name).catch(() => []),
  });
  const logger = { ...silentLogger, error: (facts: object) => void logged.push(facts) };
  return new Courier({ store, fabric, clock, logger, config, site: 'id.example' });
}
function sms(): object {
  return {
    channels: [
      {
        ...{ id: 'sms', type: 'http' },
        request_config: {
          url,
          body: base64(
            'function(ctx) { to: ctx.recipient, text: ctx.body, code: ctx.template_data.login_code, kind: ctx.template_type, as: ctx.message_type }',
          ),
          auth: { type: 'basic_auth', config: { user: 'me', password: 'let me in' } },
        },
      },
    ],
  };
}
async function post(courier: Courier, o: Partial<NewMessage> = {}): Promise<void> {
  const put = await courier.prepare({
    ...{ templateType: 'login_code_valid', via: 'sms', recipient: '+49151000000' },
    data: { LoginCode: '654321', ExpiresInMinutes: 15, RequestURL: 'https://id.example/login' },
    ...o,
  });
  await store.write(put);
}

describe('a channel over HTTP', () => {
  it('carries a text message with its code, which a phone can fill in', async () => {
    const courier = await courierFor(sms());
    await post(courier);
    expect(await courier.sendDue()).toBe(1);
    expect(await courier.sendDue()).toBe(0);
    const [asked] = seen;
    expect(asked?.headers['authorization']).toBe(`Basic ${btoa('me:let me in')}`);
    const body = JSON.parse(asked?.body ?? '');
    expect(body).toMatchObject({
      ...{ to: '+49151000000', code: '654321', kind: 'login_code_valid', as: 'phone' },
    });
    expect(body.text).toMatch(/^654321 is your code\. /);
    expect(body.text).toMatch(/\n@id\.example #654321$/);
  });

  it('is tried again while the receiver stumbles, which costs the message nothing', async () => {
    const courier = await courierFor({ ...sms(), message_retries: 1 });
    await post(courier);
    for (status of [500, 503, 429, 500]) {
      expect(await courier.sendDue()).toBe(0);
      nowMs += 600_000;
    }
    status = 200;
    expect(await courier.sendDue()).toBe(1);
    const { messages } = await courier.list({ limit: 1 });
    expect(messages[0]).toMatchObject({ status: 'sent', sendCount: 5 });
    expect(JSON.stringify(messages[0]?.dispatches)).not.toContain('123456');
  });

  it('gives a message up that was refused too often, and follows no redirect', async () => {
    const courier = await courierFor({ ...sms(), message_retries: 1 });
    await post(courier);
    for (status of [400, 302]) {
      expect(await courier.sendDue()).toBe(0);
      nowMs += 600_000;
    }
    expect(seen).toHaveLength(2);
    const { messages } = await courier.list({ limit: 1 });
    expect(messages[0]).toMatchObject({ status: 'abandoned', sendCount: 2 });
  });

  it('leaves what it is not for in the queue', async () => {
    const courier = await courierFor(sms());
    await post(courier, { via: 'email', recipient: 'a@example.com' });
    expect(await courier.sendDue()).toBe(0);
    const mail = await courierFor({
      delivery_strategy: 'http',
      http: { request_config: { url, body: base64('function(ctx) { s: ctx.subject }') } },
    });
    expect(await mail.sendDue()).toBe(1);
    expect(JSON.parse(seen[0]?.body ?? '').s).toContain('sign-in code');
  });
});

describe("an operator's templates", () => {
  function put(path: string, text: string): void {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  async function made(raw: object, o: Partial<NewMessage> = {}): Promise<Record<string, string>> {
    const courier = await courierFor({
      delivery_strategy: 'http',
      http: { request_config: { url, body: base64('function(ctx) ctx') } },
      ...raw,
    });
    await post(courier, { via: 'email', recipient: 'a@example.com', ...o });
    await courier.sendDue();
    return JSON.parse(seen.at(-1)?.body ?? '{}');
  }

  it('replace single parts, from a folder or by the file, which goes before', async () => {
    put(
      't/login_code/valid/email.subject.gotmpl',
      '{{ define "x" }}{{ .To }}{{ end }}Code for {{ template "x" . }}',
    );
    put('t/login_code/valid/email.body.plaintext.gotmpl', 'never');
    const told = await made({
      template_override_path: join(folder, 't'),
      templates: {
        login_code: { valid: { email: { body: { plaintext: base64('Use {{ .LoginCode }}') } } } },
      },
    });
    expect(told).toMatchObject({ subject: 'Code for a@example.com', body: 'Use 654321' });
  });

  it('stop the start when they are wrong, with file and line', async () => {
    put('wrong/login_code/valid/email.subject.gotmpl', '\n{{ .LoginCod }}');
    await expect(courierFor({ template_override_path: join(folder, 'wrong') })).rejects.toThrow(
      'email.subject.gotmpl:2: This message has no .LoginCod',
    );
    const html = base64('<a href={{ .To }}>');
    await expect(
      courierFor({ templates: { login_code: { valid: { email: { body: { html } } } } } }),
    ).rejects.toThrow('Put quotes');
  });

  it('that fail with one person give way to the built-in text, and the log has no word of it', async () => {
    const subject = base64('{{ .Identity.traits.email.deeper }}');
    const told = await made(
      { templates: { login_code: { valid: { email: { subject } } } } },
      { data: { LoginCode: '654321', Identity: { traits: { email: 'ann@example.com' } } } },
    );
    expect(told['subject']).toContain('654321');
    expect(logged).toMatchObject([{ type: 'login_code_valid', part: 'subject', line: 1 }]);
    expect(JSON.stringify(logged)).not.toContain('ann@');
  });

  it('never put a second line into a subject', async () => {
    const subject = base64('{{ .Identity.name }}');
    const told = await made(
      { templates: { login_code: { valid: { email: { subject } } } } },
      { data: { LoginCode: '1', Identity: { name: 'a\r\nBcc: x@evil.test\u2028b' } } },
    );
    expect(told['subject']).toBe('a Bcc: x@evil.test b');
  });
});
