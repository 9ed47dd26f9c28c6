/**
 * Holds every answer that Ory's client gets to what its package declares (`operations.ts`) and, where the file is at hand,
 * to Kratos's published document: success and refusal, required members, types, values, and members that nobody declared.
 * A test wraps its clients once; what was wrong fails the test in which it was answered.
 */
import type { CourierApi, FrontendApi, IdentityApi, MetadataApi } from '@ory/client';
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import addFormatsModule from 'ajv-formats';
import { afterEach } from 'vitest';
import { amended, DEVIATIONS, typeOfRefusal } from './known.ts';
import { type PublishedDocument, readPublished } from './openapi.ts';
import { API_NAMES, type Operation, operations, types } from './operations.ts';
import type { Schema } from './type-schema.ts';

// The package is CommonJS whose types name a default that Node does not unwrap.
const addFormats = addFormatsModule as unknown as (ajv: Ajv) => Ajv;
/** Formats of the document that only size a number. */
const SIZES = ['int64', 'uint8', 'uint32', 'uint64', 'byte'];
/** What axios makes of no body. */
const NOTHING: Schema = { const: '' };

export interface Answer {
  readonly status: number;
  readonly data: unknown;
  /** As axios tells them; for where the answer came from, and as what. */
  readonly headers?: unknown;
  readonly request?: unknown;
}
export interface Finding {
  readonly operation: string;
  readonly status: number;
  readonly source: 'types' | 'document';
  /** RFC 6901, ending in the member that is missing or too many. */
  readonly pointer: string;
  readonly message: string;
}
type Api = FrontendApi | IdentityApi | CourierApi | MetadataApi;

function newAjv(): Ajv {
  const ajv = new Ajv({
    ...{ allErrors: true, discriminator: true },
    // Unknown keywords and formats are refused; a branch that leaves the type to its parent is not.
    ...{ strict: true, strictTypes: false, strictRequired: false },
  });
  addFormats(ajv);
  for (const size of SIZES) ajv.addFormat(size, true);
  ajv.addFormat('uuid4', /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/);
  return ajv.addVocabulary(['components']);
}

/** A fault of ajv as a pointer and a sentence. */
function told(error: ErrorObject): Pick<Finding, 'pointer' | 'message'> {
  const { additionalProperty, missingProperty, allowedValues } = error.params;
  const member: unknown = additionalProperty ?? missingProperty;
  const pointer = error.instancePath + (member === undefined ? '' : `/${String(member)}`);
  if (additionalProperty !== undefined) return { pointer, message: 'is declared nowhere' };
  if (missingProperty !== undefined) return { pointer, message: 'is missing' };
  const values = Array.isArray(allowedValues) ? `: ${allowedValues.join(', ')}` : '';
  return { pointer, message: `${error.message ?? error.keyword}${values}` };
}

/** What is wrong around a body: it is no JSON, or another path's, to which a redirect was followed. */
function aroundBody({ path }: Operation, answer: Answer): string | undefined {
  const type: unknown = Reflect.get(Object(answer.headers), 'content-type');
  const isJson = type === undefined || /^application\/json\b/.test(String(type));
  if (typeof answer.data === 'object' && !isJson) return `is JSON that calls itself ${type}`;
  const response: unknown = Reflect.get(Object(answer.request), 'res');
  const url: unknown = Reflect.get(Object(response), 'responseUrl');
  if (typeof url !== 'string') return undefined;
  const { pathname } = new URL(url);
  return isAt(pathname, path) ? undefined : `is the answer of ${pathname}`;
}
function isAt(pathname: string, path: string): boolean {
  const pattern = path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+');
  return new RegExp(`^${pattern}$`).test(pathname);
}

export class AnswerWatch {
  readonly #operations = new Map(operations.map((o) => [`${o.api}.${o.name}`, o]));
  readonly #ajv = newAjv();
  readonly #published: PublishedDocument | undefined;
  readonly #compiled = new Map<string, ValidateFunction>();
  /** `FrontendApi.toSession`, … */
  readonly called: Set<string> = new Set();
  /** Indices into `DEVIATIONS`. */
  readonly deviationsSeen: Set<number> = new Set();
  answers: number = 0;
  /** Those that were held to the published document as well. */
  documented: number = 0;
  #findings: Finding[] = [];

  /** With the file of Kratos's OpenAPI document, answers are held to that too. */
  constructor(openApiFile: string | undefined) {
    this.#published = openApiFile === undefined ? undefined : readPublished(openApiFile);
  }
  get hasDocument(): boolean {
    return this.#published !== undefined;
  }

  /** A client whose every answer is looked at on its way to the caller. */
  over<T extends Api>(api: T): T {
    const name = API_NAMES.find((n) => api.constructor.name === n);
    if (name === undefined) throw new Error(`${api.constructor.name} is not watched`);
    return new Proxy(api, {
      get: (target, key) => {
        const member: unknown = Reflect.get(target, key);
        const operation = this.#operations.get(`${name}.${String(key)}`);
        if (typeof member !== 'function' || operation === undefined) return member;
        return async (...args: unknown[]): Promise<unknown> => {
          this.called.add(`${name}.${operation.name}`);
          try {
            const answer: Answer = await Reflect.apply(member, target, args);
            this.hold(operation, answer);
            return answer;
          } catch (reason) {
            const answer: Answer | undefined = Reflect.get(Object(reason), 'response');
            if (answer !== undefined) this.hold(operation, answer);
            throw reason;
          }
        };
      },
    });
  }

  /** Looks at one answer and keeps what is wrong with it. */
  hold(operation: Operation, answer: Answer): void {
    this.answers++;
    const message = aroundBody(operation, answer);
    if (message !== undefined) {
      const { api, name } = operation;
      const at = { operation: `${api}.${name}`, status: answer.status, pointer: '' };
      this.#findings.push({ ...at, source: 'types', message });
    }
    this.#add(operation, answer, 'types', this.#declared(operation, answer));
    if (this.#published === undefined) return;
    this.documented++;
    this.#add(operation, answer, 'document', this.#documented(operation, answer));
  }
  /** As `hold`, for JSON that came without the client, as to a UI's server. Throws for a path of no operation. */
  holdPlain(method: string, url: string, answer: Answer): void {
    const { pathname } = new URL(url);
    const operation = operations.find((o) => o.method === method && isAt(pathname, o.path));
    if (operation === undefined) throw new Error(`${method} ${pathname} is no operation`);
    this.hold(operation, answer);
  }

  /** What was wrong since this was last asked. */
  takeFindings(): readonly Finding[] {
    const findings = this.#findings;
    this.#findings = [];
    return findings;
  }

  #add(
    { api, name }: Operation,
    { status, data }: Answer,
    source: Finding['source'],
    validate: ValidateFunction | undefined,
  ): void {
    const operation = `${api}.${name}`;
    if (validate === undefined) {
      const message = 'is not a status of this operation';
      this.#findings.push({ operation, status, source, pointer: '', message });
      return;
    }
    if (validate(data)) return;
    for (const error of validate.errors ?? []) {
      const finding = { operation, status, source, ...told(error) };
      const known = DEVIATIONS.findIndex(
        (d) => (source === 'document' || !d.isOfDocument) && d.matches(finding),
      );
      if (known >= 0) this.deviationsSeen.add(known);
      else this.#findings.push(finding);
    }
  }

  #declared(operation: Operation, { status, data }: Answer): ValidateFunction | undefined {
    const { statuses, answer } = operation;
    const carried = statuses.get(status) ?? (status >= 400 ? statuses.get(0) : undefined);
    if (carried === undefined) return undefined;
    if (carried.kind === 'empty') return this.#compile('', NOTHING);
    if (carried.kind === 'own')
      return this.#compile(`${operation.api}.${operation.name}`, answer ?? NOTHING);
    const type = typeOfRefusal(data, carried.type);
    return this.#compile(type, types.type(type));
  }
  #documented({ method, path }: Operation, { status }: Answer): ValidateFunction | undefined {
    const answer = this.#published?.answer(method, path, status);
    if (answer === undefined) return undefined;
    if (answer === 'empty') return this.#compile('', NOTHING);
    return this.#compile(`${method} ${path} ${status}`, answer);
  }
  #compile(key: string, schema: Schema): ValidateFunction {
    const found = this.#compiled.get(key);
    if (found !== undefined) return found;
    const made = this.#ajv.compile({
      allOf: [schema],
      $defs: amended(types),
      components: { schemas: this.#published?.schemas ?? {} },
    });
    this.#compiled.set(key, made);
    return made;
  }
}

/** A watch for the tests of a file: each fails that got an answer with something wrong in it. */
export function watchAnswers(): AnswerWatch {
  const file = process.env['POSTERN_KRATOS_OPENAPI'];
  const watch = new AnswerWatch(file === '' ? undefined : file);
  if (!watch.hasDocument)
    console.log(
      'skipped: the comparison with Kratos’s published document, as POSTERN_KRATOS_OPENAPI names no file of it',
    );
  afterEach(() => {
    const lines = watch
      .takeFindings()
      .map((f) => `${f.operation} ${f.status} (${f.source}) ${f.pointer}: ${f.message}`);
    if (lines.length > 0) throw new Error([...new Set(lines)].join('\n'));
  });
  return watch;
}
