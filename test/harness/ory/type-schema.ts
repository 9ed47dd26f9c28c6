/**
 * TypeScript declarations as JSON Schema, read from the text of a `.d.ts`: interfaces, unions, intersections of objects,
 * the `const` objects that generators write in place of enums, arrays, index signatures, optional members and null. A type
 * is translated when it is first asked for, and syntax that is not understood is refused, never waved through. An object
 * without an index signature has no members besides its own.
 *
 * Two things that a `.d.ts` leaves to its reader are taken from names: `*_at` is an instant, and a member `state: any` of a
 * type `T` for which the file declares a `TState` is one.
 */
import { readFileSync } from 'node:fs';
import {
  type Class,
  type MethodDefinition,
  parseSync,
  type TSSignature,
  type TSType,
} from 'oxc-parser';

export type Schema = Readonly<Record<string, unknown>>;

/** What generators add to each enum for values that they do not know; no server sends it. */
const GENERATED_UNKNOWN = 'UnknownDefaultOpenApi';
const NULL: Schema = { type: 'null' };

type Declaration =
  | { readonly kind: 'interface'; readonly members: readonly TSSignature[] }
  | { readonly kind: 'alias'; readonly type: TSType };

export class TypeFile {
  readonly #path: string;
  readonly #declared = new Map<string, Declaration>();
  readonly #enums = new Map<string, readonly unknown[]>();
  readonly #classes = new Map<string, Class>();
  readonly #definitions: Record<string, Schema> = {};

  constructor(path: string) {
    this.#path = path;
    const { program, errors } = parseSync(path, readFileSync(path, 'utf8'));
    if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`);
    for (const statement of program.body) {
      if (statement.type !== 'ExportNamedDeclaration') continue;
      const { declaration } = statement;
      if (declaration?.type === 'TSInterfaceDeclaration')
        this.#declared.set(declaration.id.name, {
          kind: 'interface',
          members: declaration.body.body,
        });
      if (declaration?.type === 'TSTypeAliasDeclaration')
        this.#declared.set(declaration.id.name, {
          kind: 'alias',
          type: declaration.typeAnnotation,
        });
      if (declaration?.type === 'ClassDeclaration' && declaration.id)
        this.#classes.set(declaration.id.name, declaration);
      if (declaration?.type !== 'VariableDeclaration') continue;
      for (const { id } of declaration.declarations) {
        const type = id.type === 'Identifier' ? id.typeAnnotation?.typeAnnotation : undefined;
        if (id.type === 'Identifier' && type?.type === 'TSTypeLiteral')
          this.#enums.set(id.name, this.#valuesOf(type.members));
      }
    }
  }

  /** Every definition that was asked for, for the `$defs` of one document. */
  get definitions(): Readonly<Record<string, Schema>> {
    return this.#definitions;
  }

  /** A reference to the definition of an exported type. */
  type(name: string): Schema {
    if (this.#definitions[name] === undefined) {
      const declared = this.#declared.get(name);
      if (declared === undefined) throw new Error(`${this.#path} has no type ${name}`);
      // A place holder first: types refer to themselves.
      this.#definitions[name] = {};
      this.#definitions[name] =
        declared.kind === 'interface'
          ? this.#object(declared.members, name)
          : this.#schema(declared.type, name);
    }
    return { $ref: `#/$defs/${name}` };
  }

  /** What each method of an exported class answers, as `Promise<AxiosResponse<T>>`; undefined where T is `void`. */
  methods(className: string): ReadonlyMap<string, Schema | undefined> {
    const answers = new Map<string, Schema | undefined>();
    for (const member of this.#classes.get(className)?.body.body ?? [])
      if (member.type === 'MethodDefinition' && member.key.type === 'Identifier')
        answers.set(member.key.name, this.#answer(member));
    return answers;
  }
  #answer(method: MethodDefinition): Schema | undefined {
    const promise = method.value.returnType?.typeAnnotation;
    const response =
      promise?.type === 'TSTypeReference' ? promise.typeArguments?.params[0] : undefined;
    const type = response?.type === 'TSImportType' ? response.typeArguments?.params[0] : undefined;
    if (type === undefined) throw new Error(`${this.#path}: a method answers no AxiosResponse`);
    return type.type === 'TSVoidKeyword' ? undefined : this.#schema(type, '');
  }

  #valuesOf(members: readonly TSSignature[]): unknown[] {
    return members.flatMap((member) => {
      if (member.type !== 'TSPropertySignature' || keyOf(member) === GENERATED_UNKNOWN) return [];
      const type = member.typeAnnotation?.typeAnnotation;
      return type?.type === 'TSLiteralType' && type.literal.type === 'Literal'
        ? [type.literal.value]
        : [];
    });
  }

  #object(members: readonly TSSignature[], owner: string): Schema {
    const properties: Record<string, Schema> = {};
    const required: string[] = [];
    let additionalProperties: Schema | false = false;
    for (const member of members) {
      const type = 'typeAnnotation' in member ? member.typeAnnotation : undefined;
      if (type == null) throw new Error(`${this.#path}: ${owner} has a member without a type`);
      const schema = this.#schema(type.typeAnnotation, owner);
      if (member.type === 'TSIndexSignature') additionalProperties = schema;
      else if (member.type === 'TSPropertySignature') {
        const key = keyOf(member);
        properties[key] = this.#named(owner, key, schema);
        if (!member.optional) required.push(key);
      } else throw new Error(`${this.#path}: ${owner} has a ${member.type}`);
    }
    return { type: 'object', properties, required, additionalProperties };
  }
  /** What a member's name says beyond its type. */
  #named(owner: string, key: string, schema: Schema): Schema {
    if (key.endsWith('_at') && schema['type'] === 'string')
      return { ...schema, format: 'date-time' };
    const isUntyped = Object.keys(schema).length === 0;
    if (key === 'state' && isUntyped && this.#enums.has(`${owner}State`))
      return this.type(`${owner}State`);
    return schema;
  }

  #schema(type: TSType, owner: string): Schema {
    switch (type.type) {
      case 'TSStringKeyword':
        return { type: 'string' };
      case 'TSNumberKeyword':
        return { type: 'number' };
      case 'TSBooleanKeyword':
        return { type: 'boolean' };
      case 'TSObjectKeyword':
        return { type: 'object' };
      case 'TSNullKeyword':
        return NULL;
      case 'TSAnyKeyword':
        return {};
      case 'TSParenthesizedType':
        return this.#schema(type.typeAnnotation, owner);
      case 'TSLiteralType':
        if (type.literal.type === 'Literal') return { const: type.literal.value };
        break;
      case 'TSArrayType':
        return { type: 'array', items: this.#schema(type.elementType, owner) };
      case 'TSTypeLiteral':
        return this.#object(type.members, owner);
      case 'TSIntersectionType':
        return this.#intersection(type.types, owner);
      case 'TSUnionType':
        return union(type.types.map((t) => this.#schema(t, owner)));
      case 'TSIndexedAccessType': {
        // `typeof X[keyof typeof X]`: the values of a constant.
        const { objectType } = type;
        const name = objectType.type === 'TSTypeQuery' ? objectType.exprName : undefined;
        const values = name?.type === 'Identifier' ? this.#enums.get(name.name) : undefined;
        if (values !== undefined) return { enum: values };
        break;
      }
      case 'TSTypeReference': {
        if (type.typeName.type !== 'Identifier') break;
        const [item] = type.typeArguments?.params ?? [];
        if (type.typeName.name === 'Array' && item !== undefined)
          return { type: 'array', items: this.#schema(item, owner) };
        return this.type(type.typeName.name);
      }
      default:
    }
    throw new Error(`${this.#path}: ${owner} has a ${type.type}, which is not understood here`);
  }

  /** Objects as one object; a member that several have must please all of them. */
  #intersection(types: readonly TSType[], owner: string): Schema {
    const properties: Record<string, Schema> = {};
    const required = new Set<string>();
    for (const part of types) {
      const object = this.#resolved(this.#schema(part, owner));
      if (object.additionalProperties !== false)
        throw new Error(`${this.#path}: ${owner} crosses something other than plain objects`);
      for (const [key, schema] of Object.entries(object.properties)) {
        const before = properties[key];
        // The literal that tells alternatives apart comes first and stays in sight.
        properties[key] = before === undefined ? schema : { ...before, allOf: [schema] };
      }
      for (const key of object.required) required.add(key);
    }
    return { type: 'object', properties, required: [...required], additionalProperties: false };
  }
  #resolved(schema: Schema): ObjectSchema {
    const name = /^#\/\$defs\/(.+)$/.exec(String(schema['$ref'] ?? ''))?.[1];
    const target = name === undefined ? schema : (this.#definitions[name] ?? {});
    if (!isObjectSchema(target)) throw new Error(`${this.#path}: ${name} is no object`);
    return target;
  }
}

interface ObjectSchema extends Schema {
  readonly properties: Readonly<Record<string, Schema>>;
  readonly required: readonly string[];
  readonly additionalProperties: Schema | false;
}
function isObjectSchema(schema: Schema): schema is ObjectSchema {
  return schema['type'] === 'object' && 'properties' in schema && 'required' in schema;
}
function keyOf(member: Extract<TSSignature, { type: 'TSPropertySignature' }>): string {
  if (member.key.type === 'Identifier') return member.key.name;
  if (member.key.type === 'Literal') return String(member.key.value);
  throw new Error(`a member is named by a ${member.key.type}`);
}

/** Alternatives; told apart by the member that is a literal in each, so that a fault is named in the one that was meant. */
function union(parts: readonly Schema[]): Schema {
  const tag = Object.keys(Object(parts[0]?.['properties'])).find((key) =>
    parts.every((p) => isObjectSchema(p) && p.properties[key]?.['const'] !== undefined),
  );
  if (tag === undefined) return { anyOf: parts };
  return { type: 'object', discriminator: { propertyName: tag }, oneOf: parts };
}
