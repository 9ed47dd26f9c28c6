/** Creates a node from a configuration: enrols, creates, then runs every step; a failing step takes the node down again. */
import { newName } from '../kernel/index.ts';
import { callNode, openHomeOnce } from './access.ts';
import {
  checkNodeName,
  createBackgroundNode,
  deleteNode,
  endWithInput,
  type NodeSettings,
} from './background.ts';
import { compact } from './json.ts';
import { parseNodeConfig, parseVariables } from './node-config.ts';
import type { Result } from './output.ts';
import { runCommand } from './run-command.ts';
import { done } from './talk.ts';

export interface ConfigurationSource {
  readonly text: string;
  readonly variables: readonly string[];
  readonly ticket: string | undefined;
}

/** How the node runs, as far as the command line says it; the configuration may say it too. */
export interface RunMode {
  readonly isForeground: boolean;
  readonly exitsOnEof: boolean;
  readonly skipsRunningCheck: boolean;
}

const LOADERS = {
  policy: () => import('./commands/policy.ts'),
  relay: () => import('./commands/relay.ts'),
  'tcp-inlet': () => import('./commands/tcp-inlet.ts'),
  'tcp-outlet': () => import('./commands/tcp-outlet.ts'),
} as const;
const isServed = (section: string): section is keyof typeof LOADERS =>
  Object.hasOwn(LOADERS, section);

/** Creates the node; in the foreground it stays until the node ends. What the command line gives beats the file. */
export async function createConfiguredNode(
  source: ConfigurationSource,
  given: NodeSettings,
  asked: RunMode,
): Promise<Result | undefined> {
  const config = parseNodeConfig(source.text, parseVariables(source.variables), process.env);
  const port = config.node['http-server-port'];
  const settings: NodeSettings = {
    ...compact({
      name: config.node['name'],
      identity: config.node['identity'],
      project: config.node['project'],
      tcpListenerAddress: config.node['tcp-listener-address'],
      hasHttpServer: config.node['http-server'] === 'true' || undefined,
      httpServerPort: port === undefined ? undefined : Number(port),
    }),
    ...given,
  };
  const name = settings.name ?? newName();
  const ticket = source.ticket ?? config.ticket;
  if (ticket !== undefined && ticket !== '') {
    const identity = settings.identity === undefined ? [] : ['--identity', settings.identity];
    await runCommand(
      ['project', 'enroll', ticket, ...identity],
      () => import('./commands/project.ts'),
    );
  }
  const isOn = (key: keyof typeof config.node): boolean => config.node[key] === 'true';
  const skipsCheck = asked.skipsRunningCheck || isOn('skip-is-running-check');
  if (!skipsCheck) await checkNodeName(name);
  // A container that restarts comes here with the same home: the configuration says what the node has, once.
  if (config.steps.length > 0) openHomeOnce().clearNode(name);
  await createBackgroundNode({ ...settings, name }, skipsCheck);
  try {
    for (const step of config.steps) await runStep(name, step);
  } catch (error) {
    await deleteNode(name).catch(() => undefined);
    throw error;
  }
  done(`Node ${name} runs, with ${config.steps.length} things on it`);
  if (asked.isForeground || isOn('foreground'))
    return followNode(name, asked.exitsOnEof || isOn('exit-on-eof'));
  return { machine: name, json: await callNode(name, 'GET', '/v1/node') };
}

async function runStep(name: string, step: readonly string[]): Promise<void> {
  const [section = ''] = step;
  if (!isServed(section)) {
    const { notSupported } = await import('./commands/unsupported.ts');
    throw notSupported(section);
  }
  const placement = section === 'relay' ? '--to' : '--at';
  const isPlaced = step.includes(placement);
  await runCommand([...step, ...(isPlaced ? [] : [placement, name])], LOADERS[section]);
}

/** Takes the running node over into this process, so that a supervisor sees it live and end. */
async function followNode(name: string, exitsOnEof: boolean): Promise<undefined> {
  const { stopNode } = await import('./background.ts');
  await stopNode(name, false);
  if (exitsOnEof) endWithInput();
  const { runNode } = await import('../node/index.ts');
  await runNode(openHomeOnce(), name);
}
