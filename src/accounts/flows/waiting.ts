/**
 * What a person sent to the settings in a session that was proved too long ago. It waits, sealed with the flow, while the
 * person signs in again, and is done when they come back (Kratos: `ory_kratos_continuity`). INVARIANT: it is done once, for
 * the session that sent it alone, and whatever is sent later takes its place.
 */
import type { JsonObject, Session } from '../account.ts';
import { type Flow, recordOf, type Submission, withNote } from './flow.ts';

const NOTE = 'waiting';

type Waiting = {
  readonly sessionId: string;
  readonly method: string | null;
  readonly fields: JsonObject;
  readonly traits: JsonObject | null;
  readonly transientPayload: JsonObject | null;
};

/** The flow with what waits for its session to be proved again. */
export function withWaiting(flow: Flow, submission: Submission, session: Session): Flow {
  const { method, traits, transientPayload } = submission;
  const { csrf_token: _checked, ...fields } = submission.fields;
  const waiting = {
    ...{ sessionId: session.id, method: method ?? null, fields, traits: traits ?? null },
    transientPayload: transientPayload ?? null,
  } satisfies Waiting;
  return withNote(flow, NOTE, waiting);
}

export function withoutWaiting(flow: Flow): Flow {
  return withNote(flow, NOTE, undefined);
}

/** What waits for this session; undefined when nothing does. */
export function waitingOf(flow: Flow, session: Session | undefined): Submission | undefined {
  const waiting = recordOf<Waiting>(flow, NOTE);
  if (waiting === undefined || waiting.sessionId !== session?.id) return undefined;
  return {
    method: waiting.method ?? undefined,
    fields: waiting.fields,
    traits: waiting.traits ?? undefined,
    transientPayload: waiting.transientPayload ?? undefined,
  };
}
