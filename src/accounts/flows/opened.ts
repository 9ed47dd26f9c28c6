/**
 * Mailed links, opened in whichever browser: each opening is a flow of its own, of that browser, which carries what the link
 * brought and is judged by the flow that had it sent. INVARIANT: opening changes nothing of that flow, since mail scanners open
 * links and somebody may wait in another tab; tries are counted there alone, so that openings give nobody more of them.
 */
import { newUuid } from '../../kernel/index.ts';
import type { Services } from '../services.ts';
import { type Flow, noteOf, withNote } from './flow.ts';

const NOTE = 'opened_from';
/** Codes and tokens are far shorter: nothing longer is put into a form. */
const PROOF_CHARACTERS_MAX = 200;

/** The proof of a link as it goes into a form. */
export function proofOf(given: string): string {
  return given.slice(0, PROOF_CHARACTERS_MAX);
}

/** A flow of the browser that opened a link of `root`, which sent it; nothing is stored. */
export function openedFrom(root: Flow, csrf: string, nowMs: number): Flow {
  const id = newUuid();
  return {
    ...root,
    ...{ id, csrf, type: 'browser', issuedAtMs: nowMs },
    ...{ exchangeCode: undefined, returnToCode: undefined, continueWith: [] },
    ui: { ...root.ui, action: root.ui.action.replace(root.id, id) },
    internal: { [NOTE]: root.id },
    version: 0,
  };
}

/** The flow for itself, as when something new was sent for it. */
export function withoutRoot(flow: Flow): Flow {
  return withNote(flow, NOTE, undefined);
}

/** The flow that had sent what a flow is about: itself, or the one whose link was opened. Undefined once that is gone. */
export async function rootOf(
  { flows }: Pick<Services, 'flows'>,
  flow: Flow,
): Promise<Flow | undefined> {
  const id = noteOf(flow, NOTE);
  return typeof id === 'string' ? flows.find(flow.kind, id) : flow;
}
