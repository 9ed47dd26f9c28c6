/** The example of two companies and an API, run as its reader runs it, with the networks and without. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEBIAN_PATH, has, missingPeers } from '../harness/peers.ts';
import { execute, type Outcome, ROOT } from '../harness/postern.ts';

const SCRIPT = join(ROOT, 'examples/nodejs-api/run.sh');
const RUN_TIMEOUT_MS = 120_000;

/** Processes that were started in this folder: their environment names it. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry) || entry === String(process.pid)) return false;
    try {
      return readFileSync(`/proc/${entry}/environ`, 'utf8').includes(`${folder}/`);
    } catch {
      // It ended between the listing and the reading, or is another user's.
      return false;
    }
  });
}

async function namespaces(): Promise<string[]> {
  const listed = await execute('ip', ['netns', 'list'], { ...process.env, PATH: DEBIAN_PATH });
  return listed.stdout.split('\n').filter((line) => line.startsWith('postern-example-'));
}

/** One run of the example in a folder of its own; `cleanup` ends it also where a test fails in the middle. */
class Example {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'postern-example-'));
  readonly state: string = join(this.folder, 'state');
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv) {
    const { POSTERN: _p, ...rest } = process.env;
    this.#env = { ...rest, PATH: DEBIAN_PATH, EXAMPLE_STATE: this.state, ...env };
  }
  run(...args: string[]): Promise<Outcome> {
    return execute(SCRIPT, args, this.#env, { timeoutMs: RUN_TIMEOUT_MS });
  }
  postern(machine: string, ...args: string[]): Promise<Outcome> {
    return this.run('on', machine, 'postern', ...args);
  }
}

const SUCCESS =
  'The example run was successful 🥳.\nThe app made an API request to the monitoring API over an encrypted portal and got back a response.';
const THROUGH_THE_PORTAL = [
  "✔ Travel App Corp. is denied Monitoring Corp.'s outlet payroll",
  '✔ Travel App Corp. cannot name an outlet that is not there',
  '✔ Travel App Corp. may not hold a relay',
  '✔ Monitoring Corp. has no way to initiate a connection',
];
const BELOW_THE_PORTAL = [
  '✔ Nobody outside reaches that inlet',
  '✔ Nobody outside reaches the API',
  '✔ Monitoring Corp. cannot dial Travel App Corp.',
  '✔ Travel App Corp. cannot dial the API, portal apart',
];

const missing = missingPeers({
  'network namespaces': await has.netns(),
  'nft or iptables': has.program('nft') || has.program('iptables'),
});

for (const { title, env, isSkipped } of [
  { title: 'two companies in two closed networks', env: {}, isSkipped: missing.length > 0 },
  { title: 'the same as plain processes', env: { EXAMPLE_NETWORKS: 'none' }, isSkipped: false },
]) {
  describe.skipIf(isSkipped)(title, () => {
    const hasNetworks = env.EXAMPLE_NETWORKS === undefined;
    const example = new Example(env);
    let before: string[] = [];

    beforeAll(async () => {
      before = hasNetworks ? await namespaces() : [];
    });
    afterAll(async () => {
      await example.run('cleanup');
      rmSync(example.folder, { recursive: true, force: true });
    }, RUN_TIMEOUT_MS);

    it(
      'the app gets its answer, and nothing else becomes reachable',
      async () => {
        const outcome = await example.run();
        expect(outcome.code, outcome.stderr).toBe(0);
        expect(outcome.stdout).toContain(SUCCESS);
        for (const line of THROUGH_THE_PORTAL) expect(outcome.stdout).toContain(line);
        for (const line of hasNetworks ? BELOW_THE_PORTAL : ['No network namespaces'])
          expect(outcome.stdout).toContain(line);
        expect(processesOf(example.folder).length).toBeGreaterThanOrEqual(4);
      },
      RUN_TIMEOUT_MS,
    );

    it('a second run over the first is refused', async () => {
      const outcome = await example.run();
      expect(outcome.code).toBe(1);
      expect(outcome.stderr).toContain('./run.sh cleanup');
    });

    it('a ticket works once', async () => {
      const script = readFileSync(join(example.state, 'travel_app_corp/user_data.sh'), 'utf8');
      const [, ticket = ''] = /project enroll "([0-9a-f]+)"/.exec(script) ?? [];
      const again = await example.run(
        ...['on', 'travel_app_corp', 'env', `POSTERN_HOME=${example.folder}/thief`],
        ...['postern', 'project', 'enroll', ticket],
      );
      expect(again.code).not.toBe(0);
      expect(again.stderr).toMatch(/ticket/i);
    });

    it('taking the access away ends it', async () => {
      const member = await example.postern('travel_app_corp', 'identity', 'show');
      const deleted = await example.postern(
        ...['administrator', 'project-member', 'delete', member.stdout, '--yes'],
      );
      expect(deleted.code, deleted.stderr).toBe(0);
      const [inlet] = JSON.parse(
        (await example.postern('travel_app_corp', 'tcp-inlet', 'list')).stdout,
      );
      const asked = await example.run(
        ...['on', 'travel_app_corp', 'node', '-e'],
        'fetch(process.argv[1], {signal: AbortSignal.timeout(5000)}).then(() => console.log("answered"), () => console.log("cut off"))',
        `http://127.0.0.1:${String(inlet.bind_addr).split(':')[1]}/status`,
      );
      expect(asked.stdout).toBe('cut off');
    });

    it(
      'cleanup leaves nothing',
      async () => {
        expect(await example.run('cleanup')).toMatchObject({ code: 0 });
        expect(existsSync(example.state)).toBe(false);
        expect(processesOf(example.folder)).toEqual([]);
        if (hasNetworks) expect(await namespaces()).toEqual(before);
        // A second cleanup finds nothing to do and says so.
        expect(await example.run('cleanup')).toMatchObject({ code: 0 });
      },
      RUN_TIMEOUT_MS,
    );
  });
}
