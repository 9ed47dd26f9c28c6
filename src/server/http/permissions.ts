/** The management API's part about permissions: model versions and status. Tuples and questions are in Keto's surface. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { PosternError } from '../../kernel/index.ts';
import type { ModelVersion, Permissions, Writer } from '../../permissions/index.ts';

const ID = { params: Type.Object({ id: Type.String({ minLength: 1, maxLength: 128 }) }) };
const MODEL_CHARACTERS_MAX = 1024 * 1024;

const modelJson = (v: Omit<ModelVersion, 'model'>): object => ({
  id: v.id,
  kind: v.kind,
  source: v.source,
  created_at: new Date(v.createdAtMs).toISOString(),
  created_by: v.createdBy,
});

/** Adds the routes. `may` asks whether the caller may do an action, and answers who it is; it throws `denied`. */
export function addPermissionManagement(
  app: FastifyInstance,
  permissions: Permissions,
  may: (request: FastifyRequest, action: string, resource: string) => Promise<Writer>,
): void {
  const api = app.withTypeProvider<TypeBoxTypeProvider>();

  api.get('/api/v1/permission-status', async (request) => {
    await may(request, 'permissions:read', 'permissions');
    const s = await permissions.status();
    return {
      revision: s.revision,
      model_id: s.modelId ?? null,
      namespaces: permissions.namespaces(),
      tuples: s.tuples,
      stored_versions: s.storedVersions,
      memory_bytes: s.memoryBytes,
      memory_budget_bytes: s.memoryBudgetBytes,
      history_window_ms: s.historyWindowMs,
    };
  });
  api.get('/api/v1/permission-models', async (request) => {
    await may(request, 'permissions:read', 'permission-models');
    return (await permissions.listModels()).map(modelJson);
  });
  api.get('/api/v1/permission-models/:id', { schema: ID }, async (request) => {
    const { id } = request.params;
    await may(request, 'permissions:read', `permission-model/${id}`);
    if (id !== 'current') return modelJson(await permissions.getModel(id));
    const current = permissions.currentModel();
    if (current === undefined)
      throw new PosternError('not_found', 'No permission model is applied yet', {
        hint: 'postern permission model apply FILE',
      });
    return modelJson(current);
  });
  const Body = Type.Object({
    source: Type.String({ maxLength: MODEL_CHARACTERS_MAX }),
    kind: Type.Optional(Type.Union([Type.Literal('opl'), Type.Literal('names')])),
  });
  api.post(
    '/api/v1/permission-models',
    { schema: { body: Body }, bodyLimit: MODEL_CHARACTERS_MAX * 4 },
    async (request, reply) => {
      const by = await may(request, 'permissions:model', 'permission-models');
      const { source, kind = 'opl' } = request.body;
      return reply.code(201).send(modelJson(await permissions.applyModel(source, kind, by)));
    },
  );
}
