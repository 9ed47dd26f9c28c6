/** The words of Kratos's command line that need no server, or ask only how it is: remote, hashers, jsonnet, cleanup. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { PosternError } from '../../kernel/index.ts';
import { define, family, type Invocation } from '../command.ts';
import { text } from '../json.ts';
import type { Result } from '../output.ts';
import { done, note } from '../talk.ts';
import { remoteState } from './account-kratos-identities.ts';
import { kratosServer, remoteOptions } from './account-kratos-remote.ts';
import { oryResult } from './ory-format.ts';

const ARGON2_HINT =
  'Begin with 19MB, 2 iterations and parallelism 1 (hashers.argon2), and raise them while a sign-in stays under a second';

async function lint({ args }: Invocation): Promise<Result> {
  const { compileJsonnet } = await import('../../accounts/light.ts');
  let faults = 0;
  for (const file of args)
    try {
      compileJsonnet(readFileSync(file, 'utf8'));
    } catch (reason) {
      faults += 1;
      note(`${file}: ${reason instanceof Error ? reason.message : 'unreadable'}`);
    }
  if (faults > 0) throw new PosternError('invalid', `${faults} of ${args.length} files are faulty`);
  return { plain: 'The server takes all of them', json: { files: args } };
}

function noFormatter(): never {
  throw new PosternError('unsupported', 'Formatting Jsonnet is not supported', {
    hint: 'Use jsonnetfmt; `kratos lint jsonnet FILE` says whether the server takes a file',
  });
}

/** Adds the words. */
export function registerKratosTools(program: Command): void {
  const remote = family(program, 'remote', 'How a server is');
  define(remote, 'status', 'Does it live, and is it ready', {
    options: remoteOptions,
    run: async ({ flags }) => {
      const state = await remoteState(kratosServer(flags));
      const sheet = `ALIVE  ${state.alive}\nREADY  ${state.ready}`;
      return oryResult(flags, { text: sheet, json: state, quiet: String(state.alive) });
    },
  });
  define(remote, 'version', 'Its version', {
    options: remoteOptions,
    run: async ({ flags }) => {
      const version = text(await kratosServer(flags).ask('GET', '/version'), 'version');
      return oryResult(flags, { text: `VERSION  ${version}`, json: { version }, quiet: version });
    },
  });

  const hashers = family(program, 'hashers', 'How passwords are hashed');
  const argon2 = family(hashers, 'argon2', 'Argon2id');
  for (const word of ['calibrate', 'hash', 'load-test'])
    define(argon2, `${word} [words...]`, 'Not supported', {
      run: () => {
        throw new PosternError('unsupported', `kratos hashers argon2 ${word} is not supported`, {
          hint: ARGON2_HINT,
        });
      },
    }).allowUnknownOption();

  const jsonnet = family(program, 'jsonnet', 'Jsonnet, by the words of 0.8');
  const summary = 'Does the server take these files';
  define(jsonnet, 'lint <files...>', summary, { run: lint });
  define(family(program, 'lint', 'Check files'), 'jsonnet <files...>', summary, {
    ...{ aliases: ['lint'], run: lint },
  });
  for (const parent of [
    [jsonnet, 'format <files...>'],
    [family(program, 'format', 'Format files'), 'jsonnet <files...>'],
  ] as const)
    define(parent[0], parent[1], 'Not supported', {
      options: [['-w, --write', 'not supported']],
      run: noFormatter,
    });

  define(family(program, 'cleanup', 'Tables'), 'sql [dsn]', 'Nothing to do', {
    options: [
      ['-c, --config <file>', 'taken and not used'],
      ['-e, --read-from-env', 'taken and not used'],
      ['-b, --database.cleanup.batch_size <number>', 'taken and not used'],
      ['--database.cleanup.sleep.tables <duration>', 'taken and not used'],
      ['--keep-last <duration>', 'taken and not used'],
    ],
    run: () => {
      done('Nothing to do: the server takes away what has expired itself');
      return undefined;
    },
  });
}
