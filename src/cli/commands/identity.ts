/** `identity`: the cryptographic identities of this home. */
import type { Command } from 'commander';
import type { Home, IdentityRecord } from '../../home/index.ts';
import { newName, PosternError } from '../../kernel/index.ts';
import { verifyChangeHistory } from '../../trust/light.ts';
import { openHomeOnce } from '../access.ts';
import { define, family } from '../command.ts';
import { compact, text } from '../json.ts';
import { shorten, table } from '../output.ts';
import { confirm, done } from '../talk.ts';
import { onlyOne } from './only-one.ts';
import { notSupported } from './unsupported.ts';

/** Adds the family. */
export function register(program: Command): void {
  const identity = family(program, 'identity', 'Create and manage the identities of this home', [
    'identity create db',
    'identity list',
  ]);

  define(identity, 'create [name]', 'Create an identity, or import an exported one', {
    options: [
      ['--vault <name>', 'the vault that keeps its key'],
      ['-k, --key-id <id>', 'use a key that exists in the vault'],
      ['--identity <hex>', 'import an exported change history'],
    ],
    examples: ['identity create db', 'identity create --identity "$(cat exported.hex)"'],
    run: ({ args, flags }) => {
      if (flags.text('keyId') !== undefined) throw notSupported('--key-id');
      const home = openHomeOnce();
      const name = args[0] ?? newName();
      const imported = flags.text('identity');
      const vault = flags.text('vault');
      const record =
        imported === undefined
          ? home.createIdentity(name, vault)
          : importIdentity(home, name, parseHistory(imported));
      done(`Identity ${record.name} is ${record.identifier}`);
      return { machine: record.identifier, json: { identifier: record.identifier } };
    },
  });

  define(identity, 'show [name]', 'Show an identity', {
    options: [
      ['-f, --full', 'show the whole change history'],
      ['--encoding <encoding>', 'hex: the change history as one line'],
    ],
    run: ({ args, flags }) => {
      const record = openHomeOnce().identity(args[0]);
      if (!flags.has('full'))
        return { machine: record.identifier, json: { identifier: record.identifier } };
      const hex = record.changeHistoryHex;
      if (flags.text('encoding') === 'hex') return { machine: hex, json: { encoded: hex } };
      return {
        plain: printHistory(record.identifier, record.changeHistoryHex),
        machine: printHistory(record.identifier, record.changeHistoryHex),
        json: { identifier: record.identifier },
      };
    },
  });

  define(identity, 'list', 'List the identities', {
    run: () => {
      const { identities } = openHomeOnce();
      const rows = identities.list();
      return {
        plain: table(
          ['NAME', 'IDENTIFIER', 'VAULT', ''],
          rows.map((r) => [
            r.name,
            shorten(r.identifier),
            r.vaultName,
            identities.isDefault(r.name) ? 'default' : '',
          ]),
          'No identities yet. The first one is made when it is needed.',
        ),
        json: rows.map((r) => ({
          identifier: r.identifier,
          name: r.name,
          vault_name: r.vaultName,
          is_default: identities.isDefault(r.name),
        })),
      };
    },
  });

  define(identity, 'delete [name]', 'Delete an identity', {
    options: [
      ['--all', 'delete every identity'],
      ['-y, --yes', 'do not ask'],
    ],
    run: async ({ args, flags }) => {
      const home = openHomeOnce();
      const all = home.identities.list();
      if (all.length === 0) return { plain: '[]', json: [] };
      const known = all.map((r) => r.name);
      const names = flags.has('all') ? known : [args[0] ?? onlyOne(known, 'identities')];
      for (const name of names) {
        if (!all.some((r) => r.name === name))
          throw new PosternError('not_found', `The identity ${name} was not found`);
        const user = home.nodes.list().find((n) => n.identityName === name);
        if (user !== undefined)
          throw new PosternError(
            'conflict',
            `The identity ${name} is used by the node ${user.name}`,
            { hint: `Delete the node first: \`postern node delete ${user.name}\`` },
          );
      }
      if (!(await confirm(`Delete ${names.join(', ')}? The key is lost`, flags.has('yes'))))
        return undefined;
      for (const name of names) deleteIdentity(home, name);
      done(`Identity ${names.join(', ')} deleted`);
      return {
        machine: names.join('\n'),
        json: flags.has('all') ? names.map((name) => ({ name })) : { name: names[0] ?? '' },
      };
    },
  });

  define(identity, 'default [name]', 'Show or set the default identity', {
    run: ({ args }) => {
      const home = openHomeOnce();
      const current = home.identity();
      const name = args[0];
      if (name === undefined)
        return {
          plain: `The name of the default identity is '${current.name}'`,
          machine: `The name of the default identity is '${current.name}'`,
          json: { name: current.name },
        };
      if (name === current.name)
        throw new PosternError('conflict', `The identity named '${name}' is already the default`);
      home.identities.setDefault(name);
      done(`Identity ${name} is now the default`);
      return { machine: name, json: { name } };
    },
  });
}

function parseHistory(hex: string): Buffer {
  const text = hex.trim();
  if (!/^([0-9a-fA-F]{2})+$/.test(text))
    throw new PosternError('invalid', 'The exported identity is not one line of hex');
  const bytes = Buffer.from(text, 'hex');
  verifyChangeHistory(bytes);
  return bytes;
}

/** The vault keeps the key of a deleted identity, so that its exported history can be imported again. */
const VAULT_KEYS = 'vault-key';

function deleteIdentity(home: Home, name: string): void {
  const { identifier, vaultName, privateKeyPem } = home.identities.get(name);
  home.notes(VAULT_KEYS, '').put({ name: identifier, data: compact({ vaultName, privateKeyPem }) });
  home.identities.delete(name);
}

function importIdentity(home: Home, name: string, history: Buffer): IdentityRecord {
  const { identifier } = verifyChangeHistory(history);
  const kept = home.notes(VAULT_KEYS, '').find(identifier);
  if (kept === undefined) return home.importIdentity(name, history.toString('hex'));
  const pem = text(kept.data, 'privateKeyPem');
  const record = {
    name,
    identifier,
    vaultName: text(kept.data, 'vaultName'),
    changeHistoryHex: history.toString('hex'),
    ...(pem === '' ? {} : { privateKeyPem: pem }),
  };
  home.identities.create(record);
  return record;
}

function printHistory(identifier: string, hex: string): string {
  const { changes } = verifyChangeHistory(Buffer.from(hex, 'hex'));
  const lines = [`Identifier: ${identifier}`];
  changes.forEach((change, i) => {
    const raw = change.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    lines.push(
      `  Change[${i}]:`,
      `    identifier: ${change.hash.toString('hex')}`,
      `    primary_public_key: Ed25519 ${raw.toString('hex')}`,
      `    revoke_all_purpose_keys: ${change.revokeAllPurposeKeys}`,
      `    valid from ${new Date(change.validFrom * 1000).toISOString()} until ${new Date(change.validUntil * 1000).toISOString()}`,
    );
  });
  return lines.join('\n');
}
