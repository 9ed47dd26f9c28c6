/** The services of the read port: check, expand, list, namespaces, version, in both packages. Reading needs no token. */
import type { HandlerContext } from '@connectrpc/connect';
import type { Permissions } from '../permissions.ts';
import {
  type AskMessage,
  type FilterMessage,
  needSubject,
  readFilter,
  readOptions,
  readTuple,
  type SubjectMessage,
  type TreeInit,
  type TupleMessage,
  writeTree,
  writeTuple,
} from './convert.ts';
import { batchErrorText, invalidArgument } from './errors.ts';
import { CheckService as OldCheckService } from './gen/ory/keto/acl/v1alpha1/check_service_pb.ts';
import { ExpandService as OldExpandService } from './gen/ory/keto/acl/v1alpha1/expand_service_pb.ts';
import { ReadService as OldReadService } from './gen/ory/keto/acl/v1alpha1/read_service_pb.ts';
import { VersionService as OldVersionService } from './gen/ory/keto/acl/v1alpha1/version_pb.ts';
import { CheckService } from './gen/ory/keto/relation_tuples/v1alpha2/check_service_pb.ts';
import { ExpandService } from './gen/ory/keto/relation_tuples/v1alpha2/expand_service_pb.ts';
import { NamespacesService } from './gen/ory/keto/relation_tuples/v1alpha2/namespaces_service_pb.ts';
import { ReadService } from './gen/ory/keto/relation_tuples/v1alpha2/read_service_pb.ts';
import { VersionService } from './gen/ory/keto/relation_tuples/v1alpha2/version_pb.ts';
import { type ServiceParts, type ServiceRegistration, serve, tellToken } from './services.ts';

interface Parts extends Pick<ServiceParts, 'version' | 'limits'> {
  readonly permissions: Pick<
    Permissions,
    'check' | 'batchCheck' | 'expand' | 'listTuples' | 'namespaces'
  >;
}

interface ListMessage extends AskMessage, FilterMessage {
  readonly pageSize: number;
  readonly pageToken: string;
}

class Reader {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async check(
    tuple: TupleMessage,
    how: AskMessage,
  ): Promise<{ allowed: boolean; snaptoken: string }> {
    const { permissions, limits } = this.#parts;
    const { subject, ...on } = readTuple(tuple);
    const answer = await permissions.check(on, subject, readOptions(how, limits.maxReadDepth));
    return { allowed: answer.allowed, snaptoken: answer.token };
  }

  async batchCheck(
    tuples: readonly TupleMessage[],
    how: AskMessage,
  ): Promise<{ results: { allowed: boolean; error: string; snaptoken: string }[] }> {
    const { permissions, limits } = this.#parts;
    if (tuples.length > limits.maxBatchSize)
      throw invalidArgument(`batch exceeds max size of ${limits.maxBatchSize}`);
    const questions = tuples.map((tuple) => {
      const { subject, ...on } = readTuple(tuple);
      return { on, subject };
    });
    const { results, token } = await permissions.batchCheck(
      questions,
      readOptions(how, limits.maxReadDepth),
    );
    return {
      results: results.map(({ allowed, error }) => ({
        allowed,
        error: error === undefined ? '' : batchErrorText(error),
        snaptoken: token,
      })),
    };
  }

  async expand(
    request: AskMessage & { readonly subject?: SubjectMessage | undefined },
    context: HandlerContext,
  ): Promise<{ tree: TreeInit }> {
    const { permissions, limits } = this.#parts;
    const subject = needSubject(request.subject);
    const how = readOptions(request, limits.maxReadDepth);
    const { tree, token } = await permissions.expand(subject, how);
    tellToken(context, token);
    return { tree: writeTree(tree) };
  }

  async list(
    request: ListMessage,
    context: HandlerContext,
  ): Promise<{ relationTuples: ReturnType<typeof writeTuple>[]; nextPageToken: string }> {
    const { pageSize, pageToken } = request;
    const filter = readFilter(request);
    if (filter === undefined) throw invalidArgument('you must provide a query');
    const page = await this.#parts.permissions.listTuples(filter, {
      ...readOptions({ snaptoken: request.snaptoken ?? '' }, undefined),
      ...(pageSize > 0 ? { pageSize } : {}),
      pageToken,
    });
    tellToken(context, page.token);
    return { relationTuples: page.items.map(writeTuple), nextPageToken: page.nextPageToken };
  }
}

/** VersionService of both packages, which every port has. */
export function createVersionServices(version: string): readonly ServiceRegistration[] {
  const getVersion = (): { version: string } => ({ version });
  return [serve(VersionService, { getVersion }), serve(OldVersionService, { getVersion })];
}

/** Everything that the read port serves. */
export function createReadServices(parts: Parts): readonly ServiceRegistration[] {
  const reader = new Reader(parts);
  const { permissions } = parts;
  return [
    serve(CheckService, {
      check: (request) => reader.check(request.tuple ?? request, request),
      batchCheck: (request) => reader.batchCheck(request.tuples, request),
    }),
    serve(ExpandService, { expand: (request, context) => reader.expand(request, context) }),
    serve(ReadService, { listRelationTuples: (request, context) => reader.list(request, context) }),
    serve(NamespacesService, {
      listNamespaces: () => ({ namespaces: permissions.namespaces().map((name) => ({ name })) }),
    }),
    ...createVersionServices(parts.version),
    serve(OldCheckService, { check: (request) => reader.check(request, request) }),
    serve(OldExpandService, { expand: (request, context) => reader.expand(request, context) }),
    serve(OldReadService, {
      listRelationTuples: (request, context) => reader.list(request, context),
    }),
  ];
}
