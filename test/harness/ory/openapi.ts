/**
 * Kratos's published OpenAPI 3.0 document as JSON Schema that ajv understands: `nullable` becomes a type, a discriminator
 * with its mapping becomes the one alternative that is meant, and what only describes is dropped. The document is no part of
 * this project or of a package: who has it names its file in POSTERN_KRATOS_OPENAPI.
 */
import { readFileSync } from 'node:fs';
import type { Schema } from './type-schema.ts';

/** What JSON Schema knows of a Schema Object; the rest (`example`, `title`, `x-…`) only describes. */
const KEPT = new Set([
  ...['type', 'format', 'enum', 'required', 'pattern', '$ref', 'minimum', 'maximum'],
  ...['minLength', 'maxLength', 'minItems', 'maxItems', 'uniqueItems'],
]);

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}
const mapped = (value: unknown): Record<string, Schema> =>
  Object.fromEntries(Object.entries(objectOf(value)).map(([k, v]) => [k, schemaOf(v)]));

/** A Schema Object (OpenAPI 3.0.3 §4.7.24) as JSON Schema; references stay as they are. */
export function schemaOf(source: unknown): Schema {
  if (typeof source === 'boolean') return source ? {} : { not: {} };
  const from = objectOf(source);
  const to: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(from)) if (KEPT.has(key)) to[key] = value;
  if (isObject(from['properties'])) to['properties'] = mapped(from['properties']);
  if (from['items'] !== undefined) to['items'] = schemaOf(from['items']);
  const extra = from['additionalProperties'];
  if (typeof extra === 'boolean') to['additionalProperties'] = extra;
  else if (extra !== undefined) to['additionalProperties'] = schemaOf(extra);
  for (const key of ['allOf', 'anyOf', 'oneOf'])
    if (Array.isArray(from[key])) to[key] = from[key].map(schemaOf);
  const { propertyName, mapping } = objectOf(from['discriminator']);
  if (typeof propertyName === 'string' && isObject(mapping)) {
    // Which alternative is meant is the mapping's to say; that no other fits as well is nobody's promise.
    delete to['oneOf'];
    to['required'] = [propertyName];
    to['properties'] = { [propertyName]: { enum: Object.keys(mapping) } };
    to['allOf'] = Object.entries(mapping).map(([value, $ref]) => ({
      if: { properties: { [propertyName]: { const: value } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
      then: { $ref },
    }));
  }
  const isNullable = from['nullable'] === true && Object.keys(to).length > 0;
  return isNullable ? { anyOf: [to, { type: 'null' }] } : to;
}

export interface PublishedDocument {
  readonly schemas: Readonly<Record<string, Schema>>;
  /**
   * What an operation answers with a status: a schema, `empty` for no body; undefined where the document says nothing of
   * that operation or status.
   */
  answer(method: string, path: string, status: number): Schema | 'empty' | undefined;
}

export function readPublished(file: string): PublishedDocument {
  const document: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const { paths, components } = objectOf(document);
  const { schemas, responses } = objectOf(components);
  const answer = (method: string, path: string, status: number): Schema | 'empty' | undefined => {
    const operation = objectOf(objectOf(objectOf(paths)[path])[method.toLowerCase()]);
    const listed = objectOf(operation['responses']);
    const found = listed[status] ?? (status >= 400 ? listed['default'] : undefined);
    if (found === undefined) return undefined;
    const name = /^#\/components\/responses\/(.+)$/.exec(
      String(objectOf(found)['$ref'] ?? ''),
    )?.[1];
    const response = objectOf(name === undefined ? found : objectOf(responses)[name]);
    const content = objectOf(objectOf(response['content'])['application/json']);
    return content['schema'] === undefined ? 'empty' : schemaOf(content['schema']);
  };
  return { schemas: mapped(schemas), answer };
}
