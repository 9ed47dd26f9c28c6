import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFabric, type Fabric } from '../../fabric/index.ts';
import { Secret, silentLogger } from '../../kernel/index.ts';
import { openStore, type Store } from '../../store/index.ts';
import { defaultConfig } from '../config/config.ts';
import { Courier } from './courier.ts';
import { smtpOptions } from './smtp.ts';
import { SmtpServer } from './smtp-server.fixture.ts';
import { renderTemplate } from './templates.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-courier-'));
const smtp = new SmtpServer();
let nowMs = 1_700_000_000_000;
const clock = { now: () => nowMs };
let store: Store;
let fabric: Fabric;
const couriers: Courier[] = [];

function newCourier(): Courier {
  const { courier: config } = defaultConfig({ publicUrl: 'http://id.example', adminUrl: '' });
  const courier = new Courier({
    ...{ store, fabric, clock, logger: silentLogger, site: 'id.example' },
    config: {
      ...config,
      smtp: {
        connectionUri: `smtp://127.0.0.1:${smtp.port}/?disable_starttls=true`,
        fromAddress: 'no-reply@id.example',
        ...{ fromName: undefined, headers: {}, localName: undefined },
        clientCertificate: undefined,
      },
    },
  });
  couriers.push(courier);
  return courier;
}
async function post(courier: Courier, recipient: string, code: string = '123456'): Promise<void> {
  const put = await courier.prepare({
    ...{ templateType: 'recovery_code_valid', via: 'email', recipient },
    data: { RecoveryCode: code, ExpiresInMinutes: 60 },
  });
  await store.write(put);
}
const sentTo = (recipient: string): number => smtp.mails.filter((m) => m.to === recipient).length;

beforeAll(async () => {
  await smtp.start();
  store = await openStore({ sqlitePath: join(folder, 'c.sqlite3') });
  const rootKey = { kind: 'value', value: new Secret('22'.repeat(32)) } as const;
  fabric = await createFabric(store, { rootKey, clock });
});
afterAll(async () => {
  for (const courier of couriers) await courier.close();
  await fabric.close();
  await store.close();
  await smtp.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('the courier', () => {
  it('sends what was put into the queue, once, and tells of it', async () => {
    const courier = newCourier();
    await post(courier, 'a@example.com', '424242');
    expect(await courier.sendDue()).toBe(1);
    expect(await courier.sendDue()).toBe(0);
    const [mail] = smtp.mails;
    expect(mail?.text).toMatch(/From: .*no-reply@id\.example/);
    expect(mail?.text).toContain('424242');
    const { messages } = await courier.list({ recipient: 'a@example.com', limit: 5 });
    expect(messages).toMatchObject([
      { status: 'sent', sendCount: 1, dispatches: [{ status: 'success' }] },
    ]);
  });

  it('sends nothing of a transaction that was undone', async () => {
    const courier = newCourier();
    const put = await courier.prepare({
      ...{
        templateType: 'login_code_valid',
        via: 'email',
        recipient: 'undone@example.com',
        data: {},
      },
    });
    await store
      .write(async (trx) => {
        await put(trx);
        throw new Error('changed my mind');
      })
      .catch(() => undefined);
    await courier.sendDue();
    expect(sentTo('undone@example.com')).toBe(0);
  });

  it('loses nothing and sends nothing twice when the mail server is away for an hour', async () => {
    const courier = newCourier();
    await smtp.stop();
    for (let i = 0; i < 5; i++) await post(courier, `away${i}@example.com`);
    for (let minute = 0; minute < 60; minute++) {
      await courier.sendDue();
      nowMs += 60_000;
    }
    await smtp.start();
    for (let minute = 0; minute < 10; minute++) {
      await courier.sendDue();
      nowMs += 60_000;
    }
    for (let i = 0; i < 5; i++) expect(sentTo(`away${i}@example.com`)).toBe(1);
  }, 30_000);

  it('gives up after the mail server has refused for good as often as configured', async () => {
    const courier = newCourier();
    smtp.answer = '550 no such mailbox';
    await post(courier, 'refused@example.com');
    for (let i = 0; i < 10; i++) {
      await courier.sendDue();
      nowMs += 10 * 60_000;
    }
    smtp.answer = '250 ok';
    await courier.sendDue();
    const { messages } = await courier.list({ recipient: 'refused@example.com', limit: 5 });
    expect(messages).toMatchObject([{ status: 'abandoned', sendCount: 6 }]);
    expect(sentTo('refused@example.com')).toBe(0);
  });

  it('sends each message once from two servers on one database, and takes over what one left', async () => {
    const [one, two] = [newCourier(), newCourier()];
    for (let i = 0; i < 20; i++) await post(one, `both${i}@example.com`);
    for (let round = 0; round < 4; round++) await Promise.all([one.sendDue(), two.sendDue()]);
    for (let i = 0; i < 20; i++) expect(sentTo(`both${i}@example.com`)).toBe(1);
    await post(one, 'left@example.com');
    // As a server leaves it that dies while it sends.
    await store.write(async (trx) => {
      await trx
        .updateTable('account_messages')
        .set({ status: 'processing', taken_by: 'gone', taken_until_ms: nowMs + 120_000 })
        .where('recipient', '=', 'left@example.com')
        .execute();
    });
    expect(await two.sendDue()).toBe(0);
    nowMs += 121_000;
    expect(await two.sendDue()).toBe(1);
  });

  it('counts refusals alone: an outage before them takes no tries away', async () => {
    const courier = newCourier();
    await smtp.stop();
    await post(courier, 'both@example.com');
    for (let i = 0; i < 8; i++) {
      await courier.sendDue();
      nowMs += 10 * 60_000;
    }
    await smtp.start();
    smtp.answer = '450 try later';
    await courier.sendDue();
    smtp.answer = '250 ok';
    nowMs += 10 * 60_000;
    await courier.sendDue();
    expect(sentTo('both@example.com')).toBe(1);
  }, 30_000);

  it('sends nothing whose lease ran out while it was busy with others', async () => {
    const [slow, other] = [newCourier(), newCourier()];
    const names = Array.from({ length: 5 }, (_, i) => `slow${i}@example.com`);
    for (const name of names) await post(slow, name);
    const sending = slow.sendDue();
    while (sentTo('slow0@example.com') === 0) await new Promise((done) => setImmediate(done));
    nowMs += 301_000;
    for (let i = 0; i < 3; i++) await other.sendDue();
    await sending;
    nowMs += 301_000;
    await other.sendDue();
    for (const name of names.slice(1)) expect(sentTo(name), name).toBe(1);
  });

  it('forgets what was sent long ago, and nothing that waits', async () => {
    const courier = newCourier();
    while ((await courier.sweep(0)) > 0);
    await post(courier, 'old@example.com');
    await courier.sendDue();
    await post(courier, 'waits@example.com');
    expect(await courier.sweep(1_000)).toBe(0);
    nowMs += 2_000;
    expect(await courier.sweep(1_000)).toBe(1);
    const { messages } = await courier.list({ limit: 500 });
    expect(messages.map((m) => m.recipient)).not.toContain('old@example.com');
    expect(messages.map((m) => m.recipient)).toContain('waits@example.com');
  });

  it('say by which name they are sent, and from where', () => {
    const data = { RecoveryCode: '123456' };
    const facts = { ...{ site: 'id.example', name: 'Northwind', data }, via: 'email' } as const;
    const mail = renderTemplate('recovery_code_valid', facts);
    expect(mail.subject).toBe('Recover access to your account at Northwind');
    expect(mail.body).toContain('at Northwind (id.example)');
    const { body } = renderTemplate('recovery_code_valid', { ...facts, via: 'sms' });
    expect(body).toContain('@id.example #123456');
  });
  it('lets no recipient or name make a header', async () => {
    const courier = newCourier();
    await post(courier, 'x@example.com>\r\nBcc: all@example.com');
    await courier.sendDue();
    expect(smtp.mails.some((m) => /^Bcc:/m.test(m.text))).toBe(false);
    const { subject } = renderTemplate('login_code_valid', {
      ...{ site: 'id.example\r\nBcc: a@b', via: 'email' },
      data: { LoginCode: '1\r\n2' },
    });
    expect(subject).not.toMatch(/[\r\n]/);
  });
});

describe('an SMTP address', () => {
  it.each([
    [
      'smtp://u:p%40@mail:2525/',
      {
        host: 'mail',
        port: 2525,
        secure: false,
        requireTLS: true,
        auth: { user: 'u', pass: 'p@' },
      },
    ],
    [
      'smtps://mail/?skip_ssl_verify=true',
      { port: 465, secure: true, tls: { rejectUnauthorized: false } },
    ],
    ['smtp://mail/?disable_starttls=true', { port: 587, ignoreTLS: true, requireTLS: false }],
  ])('%s means what it means to Kratos', (uri, expected) => {
    expect(smtpOptions(uri)).toMatchObject(expected);
  });
  it('is nothing else', () => {
    expect(() => smtpOptions('http://mail')).toThrow('no smtp://');
    expect(() => smtpOptions('')).toThrow('no smtp://');
  });
});
