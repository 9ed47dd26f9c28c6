import { expect, test } from 'vitest';
import { FLOW, RECOVERY, VERIFICATION } from './message.ts';

const AGO_MS = 90_000;

test.each([
  [4010001, FLOW.loginExpired(AGO_MS)],
  [4040001, FLOW.registrationExpired(AGO_MS)],
  [4050001, FLOW.settingsExpired(AGO_MS)],
  [4060005, RECOVERY.expired(AGO_MS)],
  [4070005, VERIFICATION.expired(AGO_MS)],
])(
  '%i says when the flow expired, for people and for programs',
  (id, { id: told, text, context }) => {
    expect([told, text]).toEqual([id, expect.stringContaining('1.50 minutes ago')]);
    const at = Date.parse(String(context?.['expired_at']));
    expect(Math.abs(Date.now() - AGO_MS - at)).toBeLessThan(60_000);
    expect(context).toEqual({
      expired_at: new Date(at).toISOString(),
      expired_at_unix: Math.floor(at / 1_000),
    });
  },
);

test('1060001 says until when credentials can be set, by all names of Kratos', () => {
  const { context } = RECOVERY.recovered(AGO_MS);
  const at = Date.parse(String(context?.['privileged_session_expires_at']));
  expect(Math.abs(Date.now() + AGO_MS - at)).toBeLessThan(60_000);
  expect(context).toEqual({
    privilegedSessionExpiresAt: new Date(at).toISOString(),
    privileged_session_expires_at: new Date(at).toISOString(),
    privileged_session_expires_at_unix: Math.floor(at / 1_000),
  });
});
