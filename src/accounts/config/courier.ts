/**
 * Reads `courier` of a kratos.yml: the mail server, channels over HTTP, templates. What is written there is compiled here,
 * so that a mistake stops the start of the server and no sign-in. INVARIANT: a key that does nothing is refused by name.
 */
import { PosternError } from '../../kernel/index.ts';
import type { Template } from '../courier/go-template.ts';
import { folderOf, isTemplateType, TEMPLATE_TYPES } from '../courier/message-fields.ts';
import {
  compilePart,
  TEMPLATE_PARTS,
  type TemplatePart,
  templateKey,
} from '../courier/own-templates.ts';
import type { OutgoingRequest } from '../outgoing/request.ts';
import type { TemplateType } from '../services.ts';
import type { CourierConfig, SmtpConfig } from './config.ts';
import { Part, refuse } from './part.ts';
import type { Load } from './read.ts';
import { requestOf } from './request.ts';

/** The names in a folder, which is taken as `load` takes files; none where there is no such folder. */
export type List = (folder: string) => Promise<readonly string[]>;

const KNOWN = [
  ...['smtp', 'http', 'channels', 'delivery_strategy', 'templates', 'template_override_path'],
  ...['message_retries', 'worker', 'message_ttl'],
];
const SMTP_KNOWN = [
  ...['connection_uri', 'from_address', 'from_name', 'local_name', 'headers'],
  ...['client_cert_path', 'client_key_path'],
];
const FROM_ADDRESS = 'no-reply@ory.kratos.sh';
const FILES: Readonly<Record<TemplatePart, { readonly file: string; readonly prefix: string }>> = {
  subject: { file: 'email.subject.gotmpl', prefix: 'email.subject' },
  plaintext: { file: 'email.body.plaintext.gotmpl', prefix: 'email.body.plaintext' },
  html: { file: 'email.body.gotmpl', prefix: 'email.body' },
  sms: { file: 'sms.body.gotmpl', prefix: 'sms.body' },
};

function within(part: Part, least: number, most: number, otherwise: number): number {
  const value = part.number();
  if (value === undefined) return otherwise;
  if (!Number.isInteger(value) || value < least || value > most)
    refuse(part.path, `is no whole number from ${least} to ${most}`);
  return value;
}

/** The courier's configuration. Throws, naming the key, or the file and line of a template. */
export async function courierOf(
  part: Part,
  before: CourierConfig,
  o: { readonly load: Load; readonly list: List },
): Promise<CourierConfig> {
  for (const name of part.keys())
    if (!KNOWN.includes(name)) refuse(part.at(name).path, 'is not known');
  if (part.at('message_ttl').isThere)
    throw new PosternError('unsupported', 'kratos.yml: courier.message_ttl is not supported', {
      hint: 'Take it out: a message that could not be sent for a day is given up',
    });
  const channels = await channelsOf(part, o.load);
  const worker = part.at('worker');
  const waitMs = worker.at('pull_wait').durationMs() ?? before.pullWaitMs;
  if (waitMs < 10) refuse(worker.at('pull_wait').path, 'is less than 10ms');
  return {
    messageRetries: within(part.at('message_retries'), 0, 1_000, before.messageRetries),
    pullCount: within(worker.at('pull_count'), 1, 100, before.pullCount),
    pullWaitMs: waitMs,
    smtp: channels.has('email') ? undefined : await smtpOf(part.at('smtp'), o.load),
    channels,
    templates: await templatesOf(part, o),
  };
}

/** The same keys where another file than a kratos.yml holds them, under `path` of `file`. Throws as `courierOf`. */
export async function readCourier(
  raw: unknown,
  before: CourierConfig,
  o: { readonly file: string; readonly path: string; readonly load: Load; readonly list: List },
): Promise<CourierConfig> {
  try {
    const part = new Part(raw, o.path);
    for (const name of part.at('smtp').keys())
      if (!SMTP_KNOWN.includes(name)) refuse(part.at('smtp', name).path, 'is not known');
    return await courierOf(part, before, o);
  } catch (error) {
    if (!(error instanceof PosternError)) throw error;
    const message = error.message.replace(/^kratos\.yml(?=: )/, o.file);
    throw new PosternError(error.code, message, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}

async function smtpOf(part: Part, load: Load): Promise<SmtpConfig | undefined> {
  const connectionUri = part.at('connection_uri').text();
  if (connectionUri === undefined) return undefined;
  const [certPath, keyPath] = [part.at('client_cert_path'), part.at('client_key_path')];
  const [cert, key] = [certPath.text(), keyPath.text()];
  if ((cert === undefined) !== (key === undefined))
    refuse(part.path, 'needs both client_cert_path and client_key_path, or neither');
  const headers = part.at('headers');
  return {
    connectionUri,
    fromAddress: part.at('from_address').text() ?? FROM_ADDRESS,
    fromName: part.at('from_name').text(),
    localName: part.at('local_name').text(),
    headers: Object.fromEntries(headers.keys().map((k) => [k, headers.at(k).text() ?? ''])),
    clientCertificate:
      cert === undefined || key === undefined
        ? undefined
        : { cert: await read(certPath, cert, load), key: await read(keyPath, key, load) },
  };
}

async function read(part: Part, path: string, load: Load): Promise<string> {
  try {
    return await load(/^\w+:\/\//.test(path) ? path : `file://${path}`);
  } catch (cause) {
    // The address may hold a password: its place is enough.
    throw new PosternError('invalid', `kratos.yml: ${part.path} can't be read`, { cause });
  }
}

async function channelsOf(
  part: Part,
  load: Load,
): Promise<ReadonlyMap<'email' | 'sms', OutgoingRequest>> {
  const made = new Map<'email' | 'sms', OutgoingRequest>();
  const strategy = part.at('delivery_strategy').oneOf(['smtp', 'http']) ?? 'smtp';
  if (strategy === 'http')
    made.set('email', await requestOf(part.at('http', 'request_config'), load, 'POST'));
  for (const item of part.at('channels').items()) {
    const id = item.at('id').oneOf(['email', 'sms']) ?? refuse(item.path, 'has no id');
    if (made.has(id)) refuse(item.path, `is a second channel for ${id}`);
    if ((item.at('type').oneOf(['http', 'smtp']) ?? 'http') === 'smtp') {
      if (id === 'sms') refuse(item.at('type').path, 'is smtp, which carries no text messages');
      continue;
    }
    made.set(id, await requestOf(item.at('request_config'), load, 'POST'));
  }
  return made;
}

async function templatesOf(
  part: Part,
  o: { readonly load: Load; readonly list: List },
): Promise<ReadonlyMap<string, Template>> {
  const made = new Map<string, Template>();
  const root = part.at('template_override_path').text();
  if (root !== undefined)
    for (const type of TEMPLATE_TYPES)
      for (const [name, template] of await templatesIn(`${root}/${folderOf(type)}`, type, o))
        made.set(name, template);
  const given = part.at('templates');
  // Most kinds have a form for who is known and one for who is not; a notice has one alone.
  for (const kind of given.keys())
    for (const validity of isTemplateType(kind) ? [undefined] : given.at(kind).keys()) {
      const type = validity === undefined ? kind : `${kind}_${validity}`;
      const place = validity === undefined ? given.at(kind) : given.at(kind, validity);
      if (!isTemplateType(type)) refuse(place.path, 'is no kind of message that is sent here');
      const places: Readonly<Record<TemplatePart, Part>> = {
        subject: place.at('email', 'subject'),
        plaintext: place.at('email', 'body', 'plaintext'),
        html: place.at('email', 'body', 'html'),
        sms: place.at('sms', 'body', 'plaintext'),
      };
      for (const name of TEMPLATE_PARTS) {
        const from = places[name];
        const uri = from.text();
        if (uri === undefined) continue;
        const source = { name: from.path, source: await read(from, uri, o.load) };
        made.set(templateKey(type, name), compilePart(type, name, from.path, [source]));
      }
    }
  return made;
}

/** The parts of a kind that its folder has, each with the files beside it that it may call. */
async function templatesIn(
  folder: string,
  type: TemplateType,
  { load, list }: { readonly load: Load; readonly list: List },
): Promise<readonly (readonly [string, Template])[]> {
  const names = await list(folder);
  const found: (readonly [string, Template])[] = [];
  for (const part of TEMPLATE_PARTS) {
    const { file, prefix } = FILES[part];
    if (!names.includes(file)) continue;
    const isOfPart = (name: string): boolean =>
      name.startsWith(prefix) && (part !== 'html' || !name.startsWith(FILES.plaintext.prefix));
    const sources = await Promise.all(
      names
        .filter((name) => name.endsWith('.gotmpl') && isOfPart(name))
        .toSorted()
        .map(async (name) => ({ name, source: await load(`file://${folder}/${name}`) })),
    );
    found.push([templateKey(type, part), compilePart(type, part, file, sources)]);
  }
  return found;
}
