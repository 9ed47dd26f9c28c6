/**
 * Enrolment tickets on the wire: hex of JSON, so that one line survives shells, `sed` and user data. A ticket carries a
 * one-time code and pins the server's CA and the project's authority, so its redeemer trusts nothing on first use.
 */
import { PosternError } from '../kernel/index.ts';

export interface Ticket {
  readonly oneTimeCode: string;
  readonly server: { readonly addresses: readonly string[]; readonly caFingerprint: string };
  readonly project: {
    readonly id: string;
    readonly name: string;
    readonly authorityIdentifier: string;
    readonly authorityFingerprint: string;
  };
}

const TICKET_CHARS_MAX = 16 * 1024;
const bad = (): PosternError =>
  new PosternError('invalid', 'That is not an enrolment ticket', {
    hint: 'Give the whole line that `postern project ticket` printed, or the path of a file that holds it',
  });

/** One line of lower-case hex. */
export function encodeTicket(t: Ticket): string {
  const wire = {
    one_time_code: t.oneTimeCode,
    server: { addresses: t.server.addresses, ca_fingerprint: t.server.caFingerprint },
    project: {
      id: t.project.id,
      name: t.project.name,
      authority_identifier: t.project.authorityIdentifier,
      authority_fingerprint: t.project.authorityFingerprint,
    },
  };
  return Buffer.from(JSON.stringify(wire)).toString('hex');
}

function text(from: unknown, key: string, max: number): string {
  const value: unknown =
    typeof from === 'object' && from !== null ? Reflect.get(from, key) : undefined;
  if (typeof value !== 'string' || value.length === 0 || value.length > max) throw bad();
  return value;
}

/** Reads a ticket; surrounding white space is ignored. Throws `invalid`. */
export function parseTicket(line: string): Ticket {
  const hex = line.trim();
  if (hex.length > TICKET_CHARS_MAX || hex.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(hex))
    throw bad();
  let wire: unknown;
  try {
    wire = JSON.parse(Buffer.from(hex, 'hex').toString());
  } catch {
    throw bad();
  }
  if (typeof wire !== 'object' || wire === null) throw bad();
  const server: unknown = Reflect.get(wire, 'server');
  const project: unknown = Reflect.get(wire, 'project');
  const addresses: unknown =
    typeof server === 'object' && server !== null ? Reflect.get(server, 'addresses') : null;
  if (!Array.isArray(addresses) || addresses.length === 0 || addresses.length > 16) throw bad();
  return {
    oneTimeCode: text(wire, 'one_time_code', 256),
    server: {
      addresses: addresses.map((a: unknown) => {
        if (typeof a !== 'string' || !/^.{1,255}:\d{1,5}$/.test(a)) throw bad();
        return a;
      }),
      caFingerprint: text(server, 'ca_fingerprint', 64),
    },
    project: {
      id: text(project, 'id', 128),
      name: text(project, 'name', 128),
      authorityIdentifier: text(project, 'authority_identifier', 65),
      authorityFingerprint: text(project, 'authority_fingerprint', 64),
    },
  };
}
