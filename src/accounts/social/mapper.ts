/**
 * A provider's mapper: Jsonnet from claims to a person's traits, metadata and verified addresses. Pure. What a mapper
 * was given or said is personal: it must never be logged or shown.
 */
import { PosternError } from '../../kernel/index.ts';
import type { Json, JsonObject, Via } from '../account.ts';
import { compileJsonnet } from '../jsonnet/index.ts';
import { type CodeAddress, normaliseIdentifier } from '../schema/identity-schema.ts';
import type { Claims } from './claims.ts';

export interface Mapped {
  readonly traits: JsonObject;
  readonly metadataPublic: Json;
  readonly metadataAdmin: Json;
  /** What the provider vouches for, as far as the mapper says so. */
  readonly verified: readonly CodeAddress[];
}

/** Maps claims; `before` is the person that signs in again. Throws PosternError `invalid`. */
export type Mapper = (claims: Claims, before?: JsonObject) => Mapped;

const isRecord = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Compiles a mapper. Throws PosternError `invalid`, with line and column. */
export function compileMapper(source: string): Mapper {
  const program = compileJsonnet(source);
  return (claims, before) => {
    const external = { claims, ...(before === undefined ? {} : { identity: before }) };
    const made: unknown = program.evaluate({ external });
    const identity = isRecord(made) ? made['identity'] : undefined;
    if (!isRecord(identity)) throw new PosternError('invalid', 'The mapper gives no identity');
    const traits = identity['traits'] ?? {};
    if (!isRecord(traits)) throw new PosternError('invalid', 'The mapper gives no traits');
    return {
      traits,
      metadataPublic: identity['metadata_public'] ?? null,
      metadataAdmin: identity['metadata_admin'] ?? null,
      verified: verifiedOf(identity['verified_addresses']),
    };
  };
}

function verifiedOf(list: Json | undefined): CodeAddress[] {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list))
    throw new PosternError('invalid', 'The mapper gives no list of verified addresses');
  return list.flatMap((item): CodeAddress[] => {
    if (!isRecord(item)) return [];
    const { value, via } = item;
    const isVia = (text: Json | undefined): text is Via => text === 'email' || text === 'sms';
    if (typeof value !== 'string' || !isVia(via)) return [];
    return [{ via, value: normaliseIdentifier(value) }];
  });
}

/** Traits of the provider with those that the person typed, which stand where both say something. */
export function mergeTraits(mapped: JsonObject, typed: JsonObject): JsonObject {
  const merged = new Map<string, Json>(Object.entries(mapped));
  for (const [name, value] of Object.entries(typed)) {
    const before = merged.get(name);
    if (isRecord(value) && isRecord(before)) merged.set(name, mergeTraits(before, value));
    else if (value !== '' && value !== null) merged.set(name, value);
  }
  return Object.fromEntries(merged);
}
