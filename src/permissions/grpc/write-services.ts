/**
 * The services of the write port, in both packages. INVARIANT: nothing is written before `authoriseHeaders` has said who
 * writes, nor is a request's body read.
 */
import { type ContextKey, createContextKey, type HandlerContext } from '@connectrpc/connect';
import { PosternError } from '../../kernel/index.ts';
import type { Permissions, Writer } from '../permissions.ts';
import { type FilterMessage, readFilter, readTuple, type TupleMessage } from './convert.ts';
import { invalidArgument } from './errors.ts';
import { WriteService as OldWriteService } from './gen/ory/keto/acl/v1alpha1/write_service_pb.ts';
import {
  RelationTupleDelta_Action as Action,
  WriteService,
} from './gen/ory/keto/relation_tuples/v1alpha2/write_service_pb.ts';
import { createVersionServices } from './read-services.ts';
import { type ServiceParts, type ServiceRegistration, serve, tellToken } from './services.ts';

interface Parts extends Pick<ServiceParts, 'version' | 'authoriseHeaders'> {
  readonly permissions: Pick<Permissions, 'write' | 'deleteMatching'>;
}

/** Set by the gate. */
const WRITER: ContextKey<Writer | undefined> = createContextKey<Writer | undefined>(undefined);

/** The address that a request came from; set by the handler of a port. */
export const PEER: ContextKey<string | undefined> = createContextKey<string | undefined>(undefined);

interface Delta {
  readonly action: Action;
  readonly relationTuple?: TupleMessage | undefined;
}

function writerOf(context: HandlerContext): Writer {
  const writer = context.values.get(WRITER);
  if (writer === undefined) throw new PosternError('internal', 'A write passed without its gate');
  return writer;
}

async function transact(
  parts: Parts,
  deltas: readonly Delta[],
  context: HandlerContext,
): Promise<{ snaptokens: string[] }> {
  const writer = writerOf(context);
  // Any other action is ignored, as Keto does.
  const of = (action: Action): (TupleMessage | undefined)[] =>
    deltas.filter((delta) => delta.action === action).map((delta) => delta.relationTuple);
  const inserts = of(Action.INSERT).map(readTuple);
  const deletes = of(Action.DELETE).map(readTuple);
  const { token } = await parts.permissions.write({ inserts, deletes }, writer);
  tellToken(context, token);
  return { snaptokens: inserts.map(() => token) };
}

async function deleteMatching(
  parts: Parts,
  message: FilterMessage,
  context: HandlerContext,
): Promise<Record<string, never>> {
  const writer = writerOf(context);
  const subject = message.relationQuery?.subject ?? message.query?.subject;
  // Keto takes a subject without a value as none, and would delete everything else that matches.
  if (subject !== undefined && subject.ref.case === undefined)
    throw invalidArgument('subject is not allowed to be nil');
  const filter = readFilter(message);
  if (filter === undefined) throw new PosternError('invalid', 'invalid request');
  const { token } = await parts.permissions.deleteMatching(filter, writer);
  tellToken(context, token);
  return {};
}

/** Everything that the write port serves. */
export function createWriteServices(parts: Parts): readonly ServiceRegistration[] {
  const gate = async (context: HandlerContext): Promise<void> => {
    const peer = context.values.get(PEER);
    context.values.set(WRITER, await parts.authoriseHeaders(context.requestHeader, peer));
  };
  return [
    serve(
      WriteService,
      {
        transactRelationTuples: (request, context) =>
          transact(parts, request.relationTupleDeltas, context),
        deleteRelationTuples: (request, context) => deleteMatching(parts, request, context),
      },
      gate,
    ),
    ...createVersionServices(parts.version),
    serve(
      OldWriteService,
      {
        transactRelationTuples: (request, context) =>
          transact(parts, request.relationTupleDeltas, context),
      },
      gate,
    ),
  ];
}
