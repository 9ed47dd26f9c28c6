/** `node`: the agents that run beside an app or a database. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { newName, PosternError } from '../../kernel/index.ts';
import { parseAddress } from '../../trust/light.ts';
import { callNode, closeHome, nodeNamed, openHomeOnce } from '../access.ts';
import {
  checkNodeName,
  createBackgroundNode,
  deleteNode,
  endWithInput,
  isRunning,
  type NodeSettings,
  recordNode,
  startBackgroundNode,
  stopNode,
} from '../background.ts';
import { define, type Flags, family } from '../command.ts';
import { asUsage, usageError } from '../exit.ts';
import { compact, field, list, text } from '../json.ts';
import { type Result, status, table } from '../output.ts';
import { refuseForeignTrust } from '../refusals.ts';
import { confirm, done, next, warn } from '../talk.ts';
import { onlyOne } from './only-one.ts';

/** Adds the family. */
export function register(program: Command): void {
  const node = family(program, 'node', 'Create and manage nodes', [
    'node create db',
    'node list',
    'node show db',
  ]);

  define(node, 'create [name-or-config]', 'Create a node, alone or with all that runs on it', {
    options: [
      ['--configuration <yaml>', 'an inline configuration (YAML or JSON)'],
      ['--node-config <yaml>', 'the same', 'hidden'],
      ['--enrollment-ticket <ticket>', 'join a project first (ENROLLMENT_TICKET)'],
      ['--variable <key=value>', 'a variable of the configuration', 'list'],
      ['-f, --foreground', 'stay in the foreground, logs to standard output'],
      ['-e, --exit-on-eof', 'end when standard input ends'],
      ['-s, --skip-is-running-check', 'do not check for a running node of this name'],
      ['-t, --tcp-listener-address <address>', 'where it listens (127.0.0.1:0)'],
      ['--http-server', 'serve its state over HTTP'],
      ['--enable-http-server', 'the same', 'hidden'],
      ['--http-server-port <port>', 'the HTTP port'],
      ['--identity <name>', 'its identity; made when missing'],
      ['--project <name>', 'its project'],
      ['--authority-identity <hex>', 'trust this authority', 'hidden'],
      ['--authority-route <route>', 'where that authority is', 'hidden'],
      ['--credential-scope <scope>', 'scope of its credentials', 'hidden'],
      ['--launch-configuration <json>', '', 'hidden'],
      ['--udp', '', 'hidden'],
    ],
    examples: [
      'node create db',
      'node create db.yaml --variable PG_PORT=5432',
      'node create --foreground --enrollment-ticket "$TICKET"',
    ],
    run: ({ args, flags }) => create(args[0], flags),
  });

  define(node, 'run <name>', 'Run a recorded node in this process', {
    isHidden: true,
    run: async ({ args }) => {
      await runHere(args[0] ?? '', false);
      return undefined;
    },
  });

  define(node, 'list', 'List the nodes', { run: listNodes });

  define(node, 'show [name]', 'Show a node and all that runs on it', {
    run: async ({ args }) => {
      if (openHomeOnce().nodes.list().length === 0) return { plain: '[]', json: [] };
      return showNode(nodeNamed(args[0]));
    },
  });

  define(node, 'start [name]', 'Start a node that was stopped, with all that ran on it', {
    run: async ({ args }) => {
      const name = nodeNamed(args[0]);
      if (await isRunning(name)) {
        warn(`The node ${name} is already running`);
        return showNode(name);
      }
      await startBackgroundNode(name);
      done(`Node ${name} runs`);
      return showNode(name);
    },
  });

  define(
    node,
    'stop [name]',
    'Stop a node; its inlets, outlets and relays come back when it starts',
    {
      options: [['-f, --force', 'end its process at once']],
      run: async ({ args, flags }) => {
        const name = nodeNamed(args[0]);
        const wasRunning = await isRunning(name);
        await stopNode(name, flags.has('force'));
        const said = wasRunning ? `Node ${name} was stopped` : `Node ${name} was stopped already`;
        return { plain: said, machine: said, json: { name, status: 'stopped' } };
      },
    },
  );

  define(node, 'delete [name]', 'Stop a node and forget all that ran on it', {
    options: [
      ['--all', 'delete every node'],
      ['-y, --yes', 'do not ask'],
      ['-f, --force', '', 'hidden'],
    ],
    run: ({ args, flags }) => deleteNodes(args[0], flags),
  });

  define(node, 'logs [name]', "Print the path of a node's log", {
    run: ({ args }) => {
      const name = nodeNamed(args[0]);
      const path = join(openHomeOnce().nodeDirectory(name), 'stdout.log');
      return { machine: path, json: { path } };
    },
  });

  define(node, 'default [name]', 'Show or set the default node', {
    run: ({ args }) => {
      const { nodes } = openHomeOnce();
      if (args[0] === undefined) {
        const name = nodeNamed();
        return { plain: `The default node is '${name}'` };
      }
      const name = nodeNamed(args[0]);
      nodes.setDefault(name);
      done(`Node ${name} is now the default`);
      return { machine: name, json: { name } };
    },
  });
}

async function create(given: string | undefined, flags: Flags): Promise<Result | undefined> {
  refuseForeignTrust(flags);
  const ticket = flags.text('enrollmentTicket') ?? process.env['ENROLLMENT_TICKET'];
  const inline = flags.text('configuration') ?? flags.text('nodeConfig');
  const isName = given === undefined || /^[\w-]+$/.test(given);
  const config =
    inline ??
    (isName ? (ticket === undefined || ticket === '' ? undefined : '{}') : await readConfig(given));
  const settings = settingsOf(isName ? given : undefined, flags);
  if (config !== undefined) {
    const { createConfiguredNode } = await import('../configured-node.ts');
    return createConfiguredNode(
      { text: config, variables: flags.list('variable'), ticket },
      settings,
      {
        isForeground: flags.has('foreground'),
        exitsOnEof: flags.has('exitOnEof'),
        skipsRunningCheck: flags.has('skipIsRunningCheck'),
      },
    );
  }
  const name = settings.name ?? newName();
  if (flags.has('foreground')) {
    if (!flags.has('skipIsRunningCheck')) await checkNodeName(name);
    recordNode(name, settings);
    await runHere(name, flags.has('exitOnEof'));
    return undefined;
  }
  await createBackgroundNode({ ...settings, name }, flags.has('skipIsRunningCheck'));
  done(`Node ${name} runs`);
  next('postern tcp-outlet create --to 5432');
  return { machine: name, json: await callNode(name, 'GET', '/v1/node') };
}

function settingsOf(name: string | undefined, flags: Flags): NodeSettings {
  const port = flags.text('httpServerPort');
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) < 65536))
    throw usageError(`"${port}" is not a port`);
  const listener = flags.text('tcpListenerAddress');
  return compact({
    name,
    identity: flags.text('identity'),
    project: flags.text('project'),
    tcpListenerAddress: listener === undefined ? undefined : asUsage(() => addressText(listener)),
    hasHttpServer: flags.has('httpServer') || flags.has('enableHttpServer') || undefined,
    httpServerPort: port === undefined ? undefined : Number(port),
  });
}

/** An address as the node keeps it: the host is never left out. */
function addressText(given: string): string {
  const { host, port } = parseAddress(given);
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

const CONFIG_BYTES_MAX = 1024 * 1024;
const FETCH_TIMEOUT_MS = 15_000;

/** Reads a configuration from a file or a URL, with or without its scheme. */
async function readConfig(where: string): Promise<string> {
  const isFile = statSync(where, { throwIfNoEntry: false })?.isFile() === true;
  if (isFile) return readFileSync(where, 'utf8');
  const isUrl =
    /^https?:\/\//.test(where) ||
    /^[\w.-]+\.[a-z]{2,}(:\d+)?\//i.test(where) ||
    /^(localhost|[\d.]+):\d+\//.test(where);
  if (!isUrl || where.startsWith('.')) {
    await checkNodeName(where);
    return '{}';
  }
  const bare = !/^https?:\/\//.test(where);
  const urls = bare ? [`https://${where}`, `http://${where}`] : [where];
  let reason: unknown;
  for (const url of urls) {
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
      if (!answer.ok) throw new PosternError('unavailable', `${url} answered ${answer.status}`);
      const text = await answer.text();
      if (text.length > CONFIG_BYTES_MAX)
        throw new PosternError('invalid', `The configuration at ${url} is longer than 1 MiB`);
      return text;
    } catch (error) {
      reason = error;
    }
  }
  throw new PosternError('unavailable', `The configuration at ${where} could not be fetched`, {
    cause: reason,
  });
}

/** Runs the node in this process until it is told to stop. */
async function runHere(name: string, exitsOnEof: boolean): Promise<void> {
  const home = openHomeOnce();
  const { runNode } = await import('../../node/index.ts');
  if (exitsOnEof) endWithInput();
  await runNode(home, name);
}

async function describe(name: string): Promise<{ status: string; pid: number | undefined }> {
  const pid = openHomeOnce().nodes.find(name)?.pid;
  if (await isRunning(name)) return { status: 'running', pid };
  return { status: 'stopped', pid: undefined };
}

async function listNodes(): Promise<Result> {
  const { nodes } = openHomeOnce();
  const rows = await Promise.all(
    nodes.list().map(async (n) => ({ name: n.name, ...(await describe(n.name)) })),
  );
  return {
    plain: table(
      ['STATUS', 'NAME', 'PID', ''],
      rows.map((n) => [
        status(n.status),
        n.name,
        n.pid === undefined ? '' : String(n.pid),
        nodes.isDefault(n.name) ? 'default' : '',
      ]),
      'No nodes yet. Create one: postern node create',
    ),
    json: rows.map((n) => ({
      node_name: n.name,
      status: compact({ status: n.status, pid: n.pid }),
      pid: n.pid ?? null,
      is_default: nodes.isDefault(n.name),
    })),
  };
}

async function showNode(name: string): Promise<Result> {
  if (await isRunning(name)) {
    const answer = await callNode(name, 'GET', '/v1/node');
    return { plain: describePlain(answer), json: answer };
  }
  const home = openHomeOnce();
  const record = home.nodes.get(name);
  return {
    plain: `${status('stopped')} node ${name}, identity ${record.identityName}\n  next: postern node start ${name}`,
    json: {
      name,
      identity_name: record.identityName,
      is_default: home.nodes.isDefault(name),
      status: 'stopped',
      pid: null,
      route: null,
      http_server_address: null,
      transports: [],
      secure_channel_listeners: [],
      inlets: [],
      outlets: [],
      services: [],
    },
  };
}

function describePlain(answer: unknown): string {
  const route = text(field(answer, 'route'), 'short');
  const inlets = list(field(answer, 'inlets')).map(
    (i) =>
      `  ${status(text(i, 'status'))} inlet ${text(i, 'alias')} on ${text(i, 'bind_addr')} → ${text(i, 'outlet_route') || text(i, 'outlet_addr')}`,
  );
  const outlets = list(field(answer, 'outlets')).map(
    (o) => `  outlet ${text(o, 'worker_addr') || text(o, 'worker_address')} → ${text(o, 'to')}`,
  );
  return [
    `${status(text(answer, 'status') || 'running')} node ${text(answer, 'name')} (pid ${text(answer, 'pid')}), identity ${text(answer, 'identity_name')}`,
    ...(route === '' ? [] : [`  listens at ${route}`]),
    ...outlets,
    ...inlets,
  ].join('\n');
}

async function deleteNodes(given: string | undefined, flags: Flags): Promise<Result | undefined> {
  const rows = openHomeOnce().nodes.list();
  if (rows.length === 0) return { plain: '[]', json: [] };
  if (flags.has('all')) {
    if (!(await confirm(`Delete ${rows.length} nodes?`, flags.has('yes')))) return undefined;
    for (const { name } of rows) await deleteNode(name);
    done(`${rows.length} nodes deleted`);
    return {
      machine: rows.map((r) => r.name).join('\n'),
      json: rows.map(({ name }) => ({ name })),
    };
  }
  const name = nodeNamed(
    given ??
      onlyOne(
        rows.map((r) => r.name),
        'nodes',
      ),
  );
  if (!(await confirm(`Delete the node ${name} and all that runs on it?`, flags.has('yes'))))
    return undefined;
  await deleteNode(name);
  closeHome();
  done(`Node ${name} deleted`);
  return { machine: name, json: { name } };
}
