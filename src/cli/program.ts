/**
 * Finds the family of commands that the first word names, loads its file alone, and lets commander parse the rest.
 * Wrong usage ends with 64 and help on standard error; a failing command with 70 or the code it names.
 */
import { Command, CommanderError } from 'commander';
import { EXIT_USAGE } from './exit.ts';
import { reportFailure } from './failure.ts';
import { mapOf, unsupportedFamilies } from './map.ts';
import { session } from './session.ts';

interface FamilyModule {
  register(program: Command): void;
}

/** Which file defines which words. Each file is loaded only when one of its words is used. */
const FAMILIES: readonly (readonly [readonly string[], () => Promise<FamilyModule>])[] = [
  [['enroll', 'status', 'reset'], () => import('./commands/enroll.ts')],
  [['completion', 'environment'], () => import('./commands/environment.ts')],
  [['identity'], () => import('./commands/identity.ts')],
  [['vault'], () => import('./commands/vault.ts')],
  [['node'], () => import('./commands/node.ts')],
  [['project'], () => import('./commands/project.ts')],
  [['project-member', 'member'], () => import('./commands/project-member.ts')],
  [['space'], () => import('./commands/space.ts')],
  [['relay'], () => import('./commands/relay.ts')],
  [['tcp-outlet'], () => import('./commands/tcp-outlet.ts')],
  [['tcp-inlet'], () => import('./commands/tcp-inlet.ts')],
  [['policy'], () => import('./commands/policy.ts')],
  [['credential'], () => import('./commands/credential.ts')],
  [['authority'], () => import('./commands/authority.ts')],
  [['secure-channel', 'secure-channel-listener'], () => import('./commands/secure-channel.ts')],
  [['message', 'worker'], () => import('./commands/message.ts')],
  // Called as ockam, a service is what a node runs.
  [
    ['service'],
    () =>
      session().program === 'ockam'
        ? import('./commands/node-service.ts')
        : import('./commands/service.ts'),
  ],
  [['tcp-connection', 'tcp-listener'], () => import('./commands/tcp-transport.ts')],
  [['server'], () => import('./commands/server.ts')],
  [['token', 'audit', 'explain'], () => import('./commands/governance.ts')],
  [['permission'], () => import('./commands/permission.ts')],
  [['account'], () => import('./commands/account.ts')],
  [['client'], () => import('./commands/client.ts')],
  [['authtoken'], () => import('./commands/authtoken.ts')],
];

/** The words of the program under the name `keto`, some of which mean something else under its own. */
const KETO_WORDS = ['check', 'expand', 'relation-tuple', 'namespace', 'status', 'version', 'serve'];
const KETO_FAMILIES: typeof FAMILIES = [
  [[...KETO_WORDS, 'migrate'], () => import('./commands/permission-keto.ts')],
];

/** The words of the program under the name `kratos`. */
const KRATOS_WORDS = [
  ...[
    'serve',
    'migrate',
    'courier',
    'cleanup',
    'version',
    'remote',
    'hashers',
    'jsonnet',
    'format',
  ],
  ...['lint', 'list', 'ls', 'get', 'import', 'delete', 'validate', 'identities'],
];
const KRATOS_FAMILIES: typeof FAMILIES = [
  [KRATOS_WORDS, () => import('./commands/account-kratos.ts')],
];

function familiesOf(name: string): typeof FAMILIES {
  if (name === 'keto') return [...KETO_FAMILIES, ...FAMILIES];
  return name === 'kratos' ? [...KRATOS_FAMILIES, ...FAMILIES] : FAMILIES;
}

/** Parses and runs; answers the exit code. */
export async function runProgram(argv: readonly string[], version: string): Promise<number> {
  const word = argv.find((a) => !a.startsWith('-'));
  if (argv[0] === 'help' && argv.length > 1)
    return runProgram([...argv.slice(1), '--help'], version);
  if (word === undefined || (word === 'help' && argv.length === 1)) {
    const isKnown = argv.every((a) => a === '-h' || a === '--help' || a === 'help');
    if (!isKnown) process.stderr.write(`✘ "${argv[0]}" is not a known flag\n`);
    const { program: name } = session();
    const map = mapOf(name, version);
    (isKnown ? process.stdout : process.stderr).write(map);
    return isKnown ? 0 : EXIT_USAGE;
  }
  if (unsupportedFamilies.has(word)) {
    const { refuseUnsupported } = await import('./commands/unsupported.ts');
    return refuseUnsupported(word);
  }
  const found = familiesOf(session().program).find(([words]) => words.includes(word));
  if (found === undefined) {
    process.stderr.write(`✘ "${word}" is not a command\n  see: ${session().program} --help\n`);
    return EXIT_USAGE;
  }
  const program = new Command(session().program);
  program
    .helpCommand(false)
    .showHelpAfterError(true)
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, '✘ ')) })
    .exitOverride();
  (await found[1]()).register(program);
  return parse(program, argv);
}

async function parse(program: Command, argv: readonly string[]): Promise<number> {
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(error);
    return error.code === 'commander.helpDisplayed' ? 0 : EXIT_USAGE;
  }
}
