/**
 * `npm run bench -- [portals|permissions|accounts|cli] [--json FILE] [--quick] [--runs N]`: measures Postern beside what it competes with;
 * all parts without a name. Figures go to standard output, progress to standard error. Falling short of a goal is a
 * result and exits 0; 1 means that something could not be measured. Whatever it starts it ends, also when interrupted.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runAccounts } from './accounts/run.ts';
import { runCli } from './cli/run.ts';
import { runPermissions } from './permissions/run.ts';
import { runPortals } from './portals/run.ts';
import { Stage } from './stage.ts';

const USAGE =
  'usage: npm run bench -- [portals|permissions|accounts|cli] [--json FILE] [--quick] [--runs N]';
const PARTS = {
  portals: runPortals,
  permissions: runPermissions,
  accounts: runAccounts,
  cli: runCli,
} as const;
type PartName = keyof typeof PARTS;
const EX_USAGE = 64;

interface Options {
  readonly parts: readonly PartName[];
  readonly json: string | undefined;
  readonly isQuick: boolean;
  readonly runs: number | undefined;
}

const isPart = (name: string): name is PartName => Object.hasOwn(PARTS, name);

/** Throws on words that mean nothing here. */
function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
    },
  });
  const [name, ...rest] = positionals;
  if (rest.length > 0 || (name !== undefined && !isPart(name)))
    throw new Error(`There is no benchmark "${positionals.join(' ')}"`);
  if (values.runs !== undefined && !/^[1-9]\d{0,2}$/.test(values.runs))
    throw new Error('--runs is a number from 1 to 999');
  return {
    parts: name === undefined ? ['cli', 'accounts', 'permissions', 'portals'] : [name],
    json: values.json,
    isQuick: values.quick,
    runs: values.runs === undefined ? undefined : Number(values.runs),
  };
}

async function run(options: Options): Promise<number> {
  const stage = new Stage();
  const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
  for (const [signal, code] of Object.entries(signals))
    process.once(signal, () => void stage.close().finally(() => process.exit(code)));
  process.once('uncaughtException', (reason) => {
    console.error(reason);
    void stage.close().finally(() => process.exit(1));
  });
  try {
    const reports: Partial<Record<PartName, unknown>> = {};
    let isWhole = true;
    for (const part of options.parts) {
      const done = await PARTS[part](stage, options);
      reports[part] = done.report;
      isWhole &&= done.isWhole;
      process.stdout.write('\n');
    }
    if (options.json !== undefined)
      writeFileSync(options.json, `${JSON.stringify(reports, null, 2)}\n`);
    return isWhole ? 0 : 1;
  } catch (reason) {
    // What is cut off by an interruption is not a failure of its own.
    if (!stage.isClosing) console.error(reason);
    return 1;
  } finally {
    await stage.close();
  }
}

let options: Options | undefined;
try {
  options = parseOptions(process.argv.slice(2));
} catch (reason) {
  console.error(`${reason instanceof Error ? reason.message : String(reason)}\n${USAGE}`);
}
process.exitCode = options === undefined ? EX_USAGE : await run(options);
