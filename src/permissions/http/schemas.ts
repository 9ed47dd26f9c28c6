/** The shapes of the REST surface, for OpenAPI alone: requests are checked by hand (see scope.ts). */
import type { RouteShorthandOptions } from 'fastify';
import { type TSchema, Type } from 'typebox';

const text: TSchema = Type.String();
const optional = (description: string): TSchema => Type.Optional(Type.String({ description }));
const flag: TSchema = Type.Boolean();

export const SUBJECT_SET: TSchema = Type.Object({
  namespace: text,
  object: text,
  relation: text,
});
const subjectFields: Record<string, TSchema> = {
  subject_id: optional('A plain subject; or else subject_set'),
  subject_set: Type.Optional(SUBJECT_SET),
};
export const TUPLE: TSchema = Type.Object({
  namespace: text,
  object: text,
  relation: text,
  ...subjectFields,
  expires_at: optional('The tuple is gone from that time on (RFC 3339)'),
});
const FILTER: TSchema = Type.Object({
  namespace: optional('Namespace'),
  object: optional('Object'),
  relation: optional('Relation'),
  ...subjectFields,
});
export const CONSISTENCY: TSchema = Type.Union([
  Type.Literal('minimize_latency'),
  Type.Literal('fully_consistent'),
  Type.Object({ at_least_as_fresh: text }),
  Type.Object({ at_exact_snapshot: text }),
]);
const askBody: Record<string, TSchema> = {
  contextual_tuples: Type.Optional(Type.Array(TUPLE, { maxItems: 100 })),
  consistency: Type.Optional(CONSISTENCY),
  'max-depth': Type.Optional(Type.Integer()),
  model_id: optional('The model version to ask under'),
};
const pageBody: Record<string, TSchema> = {
  page_size: Type.Optional(Type.Integer()),
  page_token: optional('From the page before'),
};
const subjectKeys: Record<string, TSchema> = {
  subject_id: optional('A plain subject'),
  'subject_set.namespace': optional('Namespace of a subject set'),
  'subject_set.object': optional('Object of a subject set'),
  'subject_set.relation': optional('Relation of a subject set; may be empty'),
};
const nameKeys: Record<string, TSchema> = {
  namespace: optional('Namespace'),
  object: optional('Object'),
  relation: optional('Relation'),
};
const freshKeys: Record<string, TSchema> = {
  snaptoken: optional('Answer at least as fresh as this token'),
  latest: optional('true: answer at the latest revision'),
};
const askKeys: Record<string, TSchema> = {
  'max-depth': optional('Levels to follow'),
  ...freshKeys,
  model_id: optional('The model version to ask under'),
};
const pageKeys: Record<string, TSchema> = {
  page_size: optional('1 to 500; 100 when absent'),
  page_token: optional('From the page before'),
};

export const FILTER_QUERY: TSchema = Type.Object({ ...nameKeys, ...subjectKeys });
export const LIST_QUERY: TSchema = Type.Object({
  ...nameKeys,
  ...subjectKeys,
  ...pageKeys,
  ...freshKeys,
});
export const CHECK_QUERY: TSchema = Type.Object({ ...nameKeys, ...subjectKeys, ...askKeys });
export const EXPAND_QUERY: TSchema = Type.Object({ ...nameKeys, ...askKeys });
export const OBJECTS_QUERY: TSchema = Type.Object({
  namespace: text,
  relation: text,
  ...subjectKeys,
  ...askKeys,
  ...pageKeys,
});
export const SUBJECTS_QUERY: TSchema = Type.Object({
  namespace: text,
  object: text,
  relation: text,
  subject_namespace: optional('List plain objects of this namespace in place of subject ids'),
  ...askKeys,
  ...pageKeys,
});
export const DEPTH_QUERY: TSchema = Type.Object(askKeys);
export const WATCH_QUERY: TSchema = Type.Object({
  cursor: optional('Where to go on; absent: what comes from now on'),
  timeout_ms: optional('How long to wait for a change; 30000 when absent, 60000 at most'),
});

export const CHECK_BODY: TSchema = Type.Object({
  namespace: text,
  object: text,
  relation: text,
  ...subjectFields,
  ...askBody,
});
export const BATCH_BODY: TSchema = Type.Object({ tuples: Type.Array(TUPLE), ...askBody });
export const OBJECTS_BODY: TSchema = Type.Object({
  namespace: text,
  relation: text,
  ...subjectFields,
  ...askBody,
  ...pageBody,
});
export const SUBJECTS_BODY: TSchema = Type.Object({
  ...{ namespace: text, object: text, relation: text },
  subject_namespace: optional('List plain objects of this namespace in place of subject ids'),
  ...askBody,
  ...pageBody,
});
const DELTAS: TSchema = Type.Array(
  Type.Object({
    action: Type.Union([Type.Literal('insert'), Type.Literal('delete')]),
    relation_tuple: TUPLE,
  }),
);
export const PATCH_BODY: TSchema = Type.Union([
  DELTAS,
  Type.Object({
    deltas: DELTAS,
    preconditions: Type.Optional(
      Type.Array(
        Type.Union([Type.Object({ must_match: FILTER }), Type.Object({ must_not_match: FILTER })]),
      ),
    ),
    validate: Type.Optional(flag),
  }),
]);
export const OPL_BODY: TSchema = Type.String({ description: 'A model in the permission language' });

export const ALLOWED: TSchema = Type.Object({ allowed: flag });
export const BATCH: TSchema = Type.Object({
  results: Type.Array(Type.Object({ allowed: flag, error: Type.Optional(text) })),
});
export const TREE: TSchema = Type.Object({
  type: text,
  tuple: TUPLE,
  truncated: Type.Optional(
    Type.Unsafe<string>({
      type: 'string',
      enum: ['depth', 'size', 'cycle'],
      description: 'Why there may be more below than is shown',
    }),
  ),
  children: Type.Optional(Type.Array(Type.Unknown({ description: 'Nodes of the same shape' }))),
});
export const EXPLAINED: TSchema = Type.Object({
  allowed: Type.Union([flag, Type.Null()], { description: 'null: there is no answer, see error' }),
  error: Type.Optional(Type.Unknown()),
  steps: Type.Integer(),
  tree: Type.Object({
    type: text,
    namespace: text,
    object: text,
    relation: text,
    allowed: Type.Union([flag, Type.Null()]),
    stored: Type.Optional(Type.Unknown()),
    repeated: Type.Optional(flag),
    children: Type.Optional(Type.Array(Type.Unknown({ description: 'Nodes of the same shape' }))),
  }),
});
export const TUPLES: TSchema = Type.Object({
  relation_tuples: Type.Array(TUPLE),
  next_page_token: text,
});
export const OBJECTS: TSchema = Type.Object({ objects: Type.Array(text), next_page_token: text });
export const SUBJECTS: TSchema = Type.Object({
  subjects: Type.Array(Type.Object(subjectFields)),
  next_page_token: text,
});
export const CHANGES: TSchema = Type.Object({
  changes: Type.Array(
    Type.Object({ operation: text, relation_tuple: TUPLE, snaptoken: text, at: text }),
  ),
  cursor: text,
});
export const NAMESPACES: TSchema = Type.Object({
  namespaces: Type.Array(Type.Object({ name: text })),
});
const POSITION: TSchema = Type.Object({ Line: Type.Integer(), column: Type.Integer() });
const PROBLEMS: TSchema = Type.Optional(
  Type.Array(Type.Object({ message: text, start: POSITION, end: POSITION })),
);
export const OPL: TSchema = Type.Object({ errors: PROBLEMS, warnings: PROBLEMS });
export const HEALTH: TSchema = Type.Object({ status: text });
export const NOT_READY: TSchema = Type.Object({ errors: Type.Record(Type.String(), text) });
export const VERSION: TSchema = Type.Object({ version: text });
export const NOTHING: TSchema = Type.Null({ description: 'No body' });
const FAULT: TSchema = Type.Object({
  error: Type.Object({
    code: Type.Integer(),
    status: text,
    message: text,
    reason: Type.Optional(text),
    request: Type.Optional(text),
    details: Type.Optional(Type.Unknown()),
  }),
});

/** The options of a route that is published under a tag. */
export function describe(
  tag: 'permission' | 'relationship' | 'metadata',
  summary: string,
  schema: RouteShorthandOptions['schema'] & { response: Record<number, TSchema> },
): RouteShorthandOptions {
  return {
    schema: {
      tags: [tag],
      summary,
      ...schema,
      response: { ...schema.response, default: FAULT },
    },
  };
}
