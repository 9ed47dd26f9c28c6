/** What nodes are told of changes that others made: revocations at once, relations at most four times a second. */

import type { AuthorityManager } from '../authority/index.ts';
import type { Fabric } from '../fabric/index.ts';
import type { PermissionManager } from '../permissions/index.ts';
import type { NodeSessions } from './http/nodes.ts';

const RELATIONS_PUSH_MS = 250;

/**
 * Carries revocations to every session, whether this server made them or another on the same database.
 * @param eventsSeen - the number of the last event that the authority knew when it started
 */
export function tellRevocations(
  fabric: Fabric,
  authority: AuthorityManager,
  sessions: NodeSessions,
  eventsSeen: number,
): { close(): Promise<void> | void } {
  return fabric.events.subscribe(eventsSeen, async (event) => {
    if (event.kind === 'project.create' || event.kind === 'project.delete') {
      await authority.refresh();
      return;
    }
    const { projectId, subject: identifier } = event;
    if (event.kind !== 'member.revoked' || projectId === undefined || identifier === undefined)
      return;
    const { number, min_generation } = event.data;
    const minGeneration = typeof min_generation === 'number' ? min_generation : null;
    const list = [{ number: Number(number), identifier, min_generation: minGeneration }];
    authority.noteRevocation({ number: Number(number), projectId, identifier, minGeneration });
    for (const s of sessions.all) {
      if (s.projectId !== projectId) continue;
      s.push({ type: 'revocations', list });
      if (s.identifier !== identifier) continue;
      if (minGeneration === null) s.end();
      else s.push({ type: 'renew' });
    }
  });
}

/** Nodes whose policies ask about relations hear that some changed. Answers what ends it. */
export function tellRelations(permissions: PermissionManager, sessions: NodeSessions): () => void {
  let timer: NodeJS.Timeout | undefined;
  const stop = permissions.onChange(() => {
    timer ??= setTimeout(() => {
      timer = undefined;
      for (const s of sessions.all) if (s.hasAsked) s.push({ type: 'relations' });
    }, RELATIONS_PUSH_MS);
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
}
