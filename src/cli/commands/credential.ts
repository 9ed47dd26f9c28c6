/** `credential`: statements that one identity signs about another. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { PosternError, parseDurationMs } from '../../kernel/index.ts';
import { isIdentifier } from '../../trust/light.ts';
import { nodeNamed, openHomeOnce } from '../access.ts';
import { define, type Flags, family } from '../command.ts';
import { asUsage, ExitError, usageError } from '../exit.ts';
import { field, text } from '../json.ts';
import { parseAttributes } from '../membership.ts';
import { shorten, table } from '../output.ts';
import { type Statement, signStatement, verifyStatement } from '../statement.ts';
import { done } from '../talk.ts';

const NOTES = 'credential';
const TTL = '30m';

/** Adds the family. */
export function register(program: Command): void {
  const credential = family(
    program,
    'credential',
    'Statements that one identity signs about another',
  );

  define(credential, 'issue', 'Issue a credential', {
    options: [
      ['--as <name>', 'the identity that issues'],
      ['--for <identifier>', 'the identity it is about', 'required'],
      ['-a, --attribute <key=value>', 'an attribute', 'list'],
      ['--ttl <duration>', `how long it holds (${TTL})`],
      ['--encoding <encoding>', 'plain or hex'],
    ],
    run: ({ flags }) => {
      const subject = flags.required('for');
      if (!isIdentifier(subject))
        throw usageError(`"${subject}" is not an identifier (I and 64 hex digits)`);
      const home = openHomeOnce();
      const createdAtS = Math.floor(Date.now() / 1000);
      const ttlMs = flags.durationMs('ttl') ?? parseDurationMs(TTL);
      const token = signStatement(home.identityKeys(home.identity(flags.text('as'))), {
        subject,
        attributes: asUsage(() => parseAttributes(flags.list('attribute'), undefined, false)),
        createdAtS,
        expiresAtS: createdAtS + Math.ceil(ttlMs / 1000),
      });
      const isHex = flags.text('encoding') === 'hex';
      const machine = isHex ? Buffer.from(token).toString('hex') : token;
      return { machine, json: { credential: machine } };
    },
  });

  const source = [
    ['--issuer <identifier>', 'who issued it', 'required'],
    ['--credential <text>', 'the credential'],
    ['--credential-path <path>', 'the file that holds it'],
  ] as const;

  define(credential, 'verify', 'Print whether a credential is valid', {
    options: source,
    run: ({ flags }) => {
      const isValid = check(flags) !== undefined;
      return { machine: String(isValid), json: { is_valid: isValid } };
    },
  });

  define(credential, 'store', 'Keep a credential', {
    options: [
      ...source,
      ['--scope <scope>', 'what it is for', 'required'],
      ['--at <node>', 'the node'],
    ],
    run: ({ flags }) => {
      const statement = check(flags);
      if (statement === undefined) throw new PosternError('invalid', 'Credential is not verified');
      const token = read(flags);
      const scope = flags.required('scope');
      const at = flags.text('at');
      const name = createHash('sha256').update(`${scope}\0${token}`).digest('hex').slice(0, 32);
      openHomeOnce()
        .notes(NOTES, at === undefined ? '' : nodeNamed(at))
        .put({ name, data: { ...statement, scope, token } });
      done(`Credential of ${shorten(statement.subject)} stored for ${scope}`);
      return { machine: token, json: { scope, subject: statement.subject } };
    },
  });

  define(credential, 'list', 'List the stored credentials', {
    options: [
      ['--at <node>', 'the node'],
      ['--subject <identifier>', 'about this identity'],
      ['--issuer <identifier>', 'from this identity'],
    ],
    run: ({ flags }) => {
      const at = flags.text('at');
      const wanted = (data: unknown): boolean =>
        ['subject', 'issuer'].every(
          (key) => (flags.text(key) ?? text(data, key)) === text(data, key),
        );
      const rows = openHomeOnce()
        .notes(NOTES, at === undefined ? '' : nodeNamed(at))
        .list()
        .map((n) => n.data)
        .filter(wanted);
      return {
        plain: table(
          ['SUBJECT', 'ISSUER', 'SCOPE'],
          rows.map((d) => [
            shorten(text(d, 'subject')),
            shorten(text(d, 'issuer')),
            text(d, 'scope'),
          ]),
          'No credentials are stored.',
        ),
        json: rows.map((d) => ({
          credential: {
            credential: text(d, 'token'),
            subject: text(d, 'subject'),
            issuer: text(d, 'issuer'),
            created_at: new Date(Number(text(d, 'createdAtS')) * 1000).toISOString(),
            expires_at: new Date(Number(text(d, 'expiresAtS')) * 1000).toISOString(),
            attributes: field(d, 'attributes'),
          },
          scope: text(d, 'scope'),
          is_verified: isStillValid(d),
        })),
      };
    },
  });
}

function isStillValid(data: unknown): boolean {
  try {
    verifyStatement(text(data, 'token'), text(data, 'issuer'), Date.now());
    return true;
  } catch {
    return false;
  }
}

function read(flags: Flags): string {
  const path = flags.text('credentialPath');
  const given = path === undefined ? flags.text('credential') : readFileSync(path, 'utf8');
  if (given === undefined) throw usageError('Give --credential or --credential-path');
  return given.trim();
}

function check(flags: Flags): Statement | undefined {
  try {
    return verifyStatement(read(flags), flags.required('issuer'), Date.now());
  } catch (error) {
    if (!(error instanceof PosternError) || error instanceof ExitError) throw error;
    return undefined;
  }
}
