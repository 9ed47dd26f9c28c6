/**
 * The accounts benchmark: one server process, asked over HTTP by a process of its own: whoami as fast as answers come and
 * at a rate, sign-in and registration beside the bare hash in the same run, and the memory that people take.
 */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadReport } from '../load.ts';
import { Machine } from '../machine.ts';
import { answer, cpuMsOf, residentMb, startRole } from '../process.ts';
import type { Stage } from '../stage.ts';
import { figure, layOut } from '../table.ts';
import type { Order } from './load.ts';
import { ARGON2, BCRYPT_COST, type HashCost, settle } from './people.ts';

/** One server of few people, then one of many. */
const FEW = 4_000;
const MANY = 100_000;
const RATE = 1_000;
const HASH_WARM_SECONDS = 45;
const WIDTH = 16;
const COSTS: readonly HashCost[] = [
  { name: 'argon2id 19 MiB, t=2, p=1', algorithm: 'argon2' },
  { name: `bcrypt ${BCRYPT_COST}`, algorithm: 'bcrypt' },
];

interface Row {
  readonly what: string;
  readonly report: LoadReport;
  /** CPU milliseconds of the server for each; absent where it is not the server that is measured. */
  readonly cpuMsEach: number | undefined;
}

const kratosOf = ({ algorithm }: HashCost): string =>
  JSON.stringify({
    selfservice: {
      default_browser_return_url: 'http://127.0.0.1/',
      methods: { password: { config: { haveibeenpwned_enabled: false } } },
      flows: { registration: { after: { password: { hooks: [{ hook: 'session' }] } } } },
    },
    hashers: {
      algorithm,
      bcrypt: { cost: BCRYPT_COST },
      argon2: {
        memory: `${ARGON2.memoryKiB}KB`,
        ...{ iterations: ARGON2.iterations, parallelism: ARGON2.parallelism },
        ...{ salt_length: ARGON2.saltLength, key_length: ARGON2.keyLength },
      },
    },
    identity: {
      default_schema_id: 'default',
      schemas: [{ id: 'default', url: `base64://${Buffer.from(SCHEMA).toString('base64')}` }],
    },
  });
const SCHEMA = JSON.stringify({
  properties: {
    traits: {
      type: 'object',
      properties: {
        email: {
          ...{ type: 'string', format: 'email' },
          'ory.sh/kratos': {
            credentials: { password: { identifier: true } },
            ...{ verification: { via: 'email' }, recovery: { via: 'email' } },
          },
        },
      },
      required: ['email'],
    },
  },
});

class Case {
  readonly rows: Row[] = [];
  readonly #stage: Stage;
  readonly #server: ChildProcess;
  constructor(stage: Stage, server: ChildProcess) {
    this.#stage = stage;
    this.#server = server;
  }

  /** Runs one load, after a fifth of it, or as many seconds as are named, to warm up. */
  async measure(what: string, order: Order, warmSeconds?: number): Promise<LoadReport> {
    process.stderr.write(`  ${what}\n`);
    const pid = this.#server.pid ?? 0;
    const load = await startRole(this.#stage, join(import.meta.dirname, 'load.ts'));
    const warm = 'first' in order ? { first: order.first + FEW / 2 } : {};
    load.send({ ...order, ...warm, seconds: warmSeconds ?? order.seconds / 5 });
    await answer(load);
    const before = cpuMsOf(pid);
    load.send(order);
    const report = await answer<LoadReport>(load);
    const cpuMsEach =
      order.kind === 'bare hash' ? undefined : (cpuMsOf(pid) - before) / report.count;
    this.rows.push({ what, report, cpuMsEach });
    await this.#stage.end([load]);
    return report;
  }
}

/** A server with people in it. */
async function serve(
  stage: Stage,
  name: string,
  people: number,
  cost: HashCost,
): Promise<{ machine: Machine; server: ChildProcess; tokens: readonly string[] }> {
  process.stderr.write(`${people} people, ${cost.name}\n`);
  const machine = new Machine(stage, name, { hasAccounts: true });
  const tokens = await settle(machine.serverHome, people, cost);
  const kratos = join(machine.serverHome, 'kratos.yml');
  writeFileSync(kratos, kratosOf(cost));
  writeFileSync(join(machine.serverHome, 'server.yaml'), `accounts: { kratos: ${kratos} }\n`);
  return { machine, server: await machine.startServer(), tokens };
}

/** Runs the benchmark, prints its tables, and answers them for the JSON file. */
export async function runAccounts(
  stage: Stage,
  o: { isQuick: boolean; runs: number | undefined },
): Promise<{ report: unknown; isWhole: boolean }> {
  const seconds = o.isQuick ? 1 : 10;
  const rows: Row[] = [];
  const notes: string[] = [];
  for (const cost of COSTS) {
    const { machine, server, tokens } = await serve(stage, cost.algorithm, FEW, cost);
    const url = machine.publicUrl();
    const pid = server.pid ?? 0;
    const now = new Case(stage, server);
    if (cost.algorithm === 'argon2') {
      notes.push(`idle server: ${figure(residentMb(pid))} MB resident`);
      const whoami = { kind: 'whoami', url, tokens, seconds } as const;
      await now.measure(`whoami, ${WIDTH} at a time`, { ...whoami, width: WIDTH });
      await now.measure(`whoami at ${figure(RATE)}/s`, { ...whoami, width: WIDTH, rate: RATE });
      const client = await applicationOf(machine);
      const application = { url, tokens, client, seconds, width: WIDTH } as const;
      await now.measure('code, exchange, ID token', { kind: 'id token', ...application });
      await now.measure('refresh with rotation', { kind: 'refresh', ...application });
    }
    const bare = await now.measure(`bare hash, ${cost.name}`, { kind: 'bare hash', cost, seconds });
    const enter = { url, seconds, width: WIDTH, first: 0 } as const;
    // At a few dozen a second it takes a while until the server has compiled what it runs.
    const warmSeconds = o.isQuick ? seconds : HASH_WARM_SECONDS;
    const login = await now.measure(
      `sign-in, ${cost.name}`,
      { kind: 'login', ...enter },
      warmSeconds,
    );
    await now.measure(`registration, ${cost.name}`, { kind: 'registration', ...enter });
    notes.push(`sign-in at ${figure(login.perSecond / bare.perSecond)} of the bare ${cost.name}`);
    rows.push(...now.rows);
    await stage.end([server]);
  }
  if (!o.isQuick) rows.push(await measureMany(stage, seconds, notes));
  process.stdout.write(print(rows, notes));
  return { report: { rows, notes }, isWhole: true };
}

/** An application that asks no consent. */
async function applicationOf(machine: Machine): Promise<{ id: string; secret: string }> {
  const made = await machine.postern(
    ...['client', 'create', 'bench', '--callback', 'http://127.0.0.1:9/callback'],
    ...['--output', 'json'],
  );
  return JSON.parse(made) as { id: string; secret: string };
}

async function measureMany(stage: Stage, seconds: number, notes: string[]): Promise<Row> {
  const [cost = { name: '', algorithm: 'argon2' } satisfies HashCost] = COSTS;
  const { machine, server, tokens } = await serve(stage, 'many', MANY, cost);
  const pid = server.pid ?? 0;
  const people = `${MANY.toLocaleString('en')} people with a session each`;
  notes.push(`${people}: ${figure(residentMb(pid))} MB resident before the first question`);
  const now = new Case(stage, server);
  const url = machine.publicUrl();
  await now.measure(`whoami of ${MANY.toLocaleString('en')}, ${WIDTH} at a time`, {
    ...{ kind: 'whoami', url, tokens, seconds, width: WIDTH },
  });
  notes.push(`${people}: ${figure(residentMb(pid))} MB resident after all were asked for`);
  await stage.end([server]);
  const [row] = now.rows;
  if (row === undefined) throw new Error('A measurement leaves a row');
  return row;
}

function print(rows: readonly Row[], notes: readonly string[]): string {
  const lines = rows.map(({ what, report: r, cpuMsEach }) => [
    what,
    ...[r.perSecond, r.p50Ms, r.p95Ms, r.p99Ms, cpuMsEach].map(figure),
    cpuMsEach === undefined ? '' : figure(1_000 / cpuMsEach),
  ]);
  const head = ['what', 'a second', 'p50 ms', 'p95 ms', 'p99 ms', 'CPU ms each', 'a core'];
  return `${layOut([head, ...lines])}\n${notes.map((n) => `${n}\n`).join('')}`;
}
