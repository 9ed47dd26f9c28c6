/** Everything of the server that belongs to permissions, behind one import that a server without them never makes. */
import type { Audit } from '../audit/index.ts';
import type { Fabric } from '../fabric/index.ts';
import { type Logger, systemClock } from '../kernel/index.ts';
import { PermissionManager } from '../permissions/index.ts';
import type { Store } from '../store/index.ts';
import type { PermissionConfig } from './permission-config.ts';
import { followModel } from './permission-model.ts';

export {
  addAdminPermissions,
  addPublicPermissions,
  listenPermissions,
} from './permission-ports.ts';

/** Opens the permissions of a server, and applies the model that the configuration names. Throws what is wrong with it. */
export async function openPermissions(
  c: PermissionConfig,
  parts: { store: Store; fabric: Fabric; audit: Audit; logger: Logger },
): Promise<PermissionManager> {
  const manager = await PermissionManager.open({
    ...parts,
    clock: systemClock,
    limits: {
      isStrict: c.isStrict,
      ...(c.maxReadDepth === undefined ? {} : { maxReadDepth: c.maxReadDepth }),
      ...(c.stepsMax === undefined ? {} : { stepsMax: c.stepsMax }),
      ...(c.memoryBudgetBytes === undefined ? {} : { memoryBudgetBytes: c.memoryBudgetBytes }),
      ...(c.historyWindowMs === undefined ? {} : { historyWindowMs: c.historyWindowMs }),
    },
  });
  if (c.model === undefined) return manager;
  try {
    const stop = await followModel(c.model, manager, parts.logger);
    manager.onClose(stop);
    return manager;
  } catch (reason) {
    manager.close();
    throw reason;
  }
}
