/** The service of the port for the permission language. Anybody may ask: it changes nothing, and knows no tuple. */

import type { Position } from '../language/problem.ts';
import type { Permissions } from '../permissions.ts';
import { SyntaxService } from './gen/ory/keto/opl/v1alpha1/syntax_service_pb.ts';
import { type ServiceRegistration, serve } from './services.ts';

/** Keto's columns: ours less one, at least 1. */
const place = ({ line, column }: Position): { line: number; column: number } => ({
  line,
  column: Math.max(column - 1, 1),
});

/** Everything that the language port serves. Warnings are not sent: its clients take everything for an error. */
export function createLanguageServices({
  permissions,
}: {
  readonly permissions: Pick<Permissions, 'checkModel'>;
}): readonly ServiceRegistration[] {
  return [
    serve(SyntaxService, {
      check: ({ content }) => ({
        parseErrors: permissions
          .checkModel(new TextDecoder().decode(content))
          .filter((problem) => problem.severity === 'error')
          .map(({ message, start, end }) => ({
            message: message.toWellFormed(),
            start: place(start),
            end: place(end),
          })),
      }),
    }),
  ];
}
