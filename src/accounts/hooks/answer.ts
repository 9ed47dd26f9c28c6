/**
 * What a web hook's answer says: messages that stop a flow, or changes of an identity. Pure. An answer comes from a server
 * that the configuration names, and is still held against bounds and shapes: it is JSON of any kind.
 */
import type { Json, JsonObject, Via } from '../account.ts';
import { isFlatEnough } from '../outgoing/nesting.ts';
import type { UiText } from '../ui/node.ts';

const MESSAGES_MAX = 100;

export interface HookMessage {
  /** The name of the node; undefined: above all. */
  readonly node?: string;
  readonly message: UiText;
}

export interface GivenAddress {
  readonly value: string;
  readonly via: Via;
  readonly verified: boolean;
}

/** What a hook wants of an identity; what it leaves out stays. */
export interface IdentityChanges {
  readonly traits?: JsonObject;
  readonly metadataPublic?: Json;
  readonly metadataAdmin?: Json;
  readonly state?: 'active' | 'inactive';
  readonly externalId?: string | undefined;
  readonly schemaId?: string;
  /** Recovery addresses are what the traits give: there is nothing to say of them. */
  readonly verifiableAddresses?: readonly GivenAddress[];
}

/** The answer is not what it has to be. Its words may be somebody's data, and are not repeated. */
export class HookAnswerFault extends Error {
  override readonly name = 'HookAnswerFault';
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function own(value: unknown, name: string): unknown {
  return isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function parsed(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HookAnswerFault('the answer is no JSON');
  }
  if (!isFlatEnough(value)) throw new HookAnswerFault('the answer is nested too deeply');
  return value;
}

/** `#/traits/name/first` as the name of the node that a form has for it. */
export function nodeOfPointer(pointer: string): string | undefined {
  const path = pointer
    .replace(/^#/, '')
    .split('/')
    .filter((part) => part !== '')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  return path.length === 0 ? undefined : path.join('.');
}

function messageOf(raw: unknown): UiText {
  const id = own(raw, 'id');
  const text = own(raw, 'text');
  const context = own(raw, 'context');
  if (typeof text !== 'string') throw new HookAnswerFault('a message has no text');
  return {
    id: typeof id === 'number' && Number.isSafeInteger(id) ? id : 0,
    text,
    type: own(raw, 'type') === 'error' ? 'error' : 'info',
    ...(isRecord(context) ? { context } : {}),
  };
}

/** The messages of an answer of 400 and more; at least one. Throws HookAnswerFault. */
export function hookMessages(text: string): readonly HookMessage[] {
  const listed = own(parsed(text), 'messages');
  const groups: unknown[] = Array.isArray(listed) ? listed : [];
  const found: HookMessage[] = [];
  for (const group of groups) {
    const pointer = own(group, 'instance_ptr');
    const node = typeof pointer === 'string' ? nodeOfPointer(pointer) : undefined;
    const details = own(group, 'messages');
    for (const raw of Array.isArray(details) ? details : []) {
      if (found.length === MESSAGES_MAX) throw new HookAnswerFault('there are too many messages');
      const message = messageOf(raw);
      found.push(node === undefined ? { message } : { node, message });
    }
  }
  if (found.length === 0) throw new HookAnswerFault('there is no message in it');
  return found;
}

function addressesOf(raw: unknown, name: string): readonly GivenAddress[] | undefined {
  if (!Array.isArray(raw) || raw.length === 0) return undefined;
  return raw.map((item: unknown) => {
    const value = own(item, 'value');
    const via = own(item, 'via');
    if (typeof value !== 'string' || value === '' || (via !== 'email' && via !== 'sms'))
      throw new HookAnswerFault(`identity.${name} is no list of addresses`);
    return { value, via, verified: own(item, 'verified') === true };
  });
}

/** The changes of an answer of 200; undefined when it names no identity. Throws HookAnswerFault. */
export function identityChanges(text: string): IdentityChanges | undefined {
  const identity = own(parsed(text), 'identity');
  if (identity === undefined || identity === null) return undefined;
  if (!isRecord(identity)) throw new HookAnswerFault('identity is no object');
  const traits = own(identity, 'traits');
  if (traits !== undefined && traits !== null && !isRecord(traits))
    throw new HookAnswerFault('identity.traits is no object');
  const schemaId = own(identity, 'schema_id');
  const state = own(identity, 'state');
  if (state !== undefined && state !== '' && state !== 'active' && state !== 'inactive')
    throw new HookAnswerFault('identity.state is neither active nor inactive');
  const [metadataPublic, metadataAdmin] = [
    own(identity, 'metadata_public'),
    own(identity, 'metadata_admin'),
  ];
  const verifiable = addressesOf(own(identity, 'verifiable_addresses'), 'verifiable_addresses');
  const externalId = own(identity, 'external_id');
  return {
    // JSON.parse makes nothing but JSON.
    ...(isRecord(traits) && Object.keys(traits).length > 0 ? { traits: traits as JsonObject } : {}),
    ...(metadataPublic === undefined ? {} : { metadataPublic: metadataPublic as Json }),
    ...(metadataAdmin === undefined ? {} : { metadataAdmin: metadataAdmin as Json }),
    ...(state === 'active' || state === 'inactive' ? { state } : {}),
    ...(externalId === undefined
      ? {}
      : {
          externalId: typeof externalId === 'string' && externalId !== '' ? externalId : undefined,
        }),
    ...(typeof schemaId === 'string' && schemaId !== '' ? { schemaId } : {}),
    ...(verifiable === undefined ? {} : { verifiableAddresses: verifiable }),
  };
}
