/** For tests: a process that writes without end and tells its parent of every acknowledged write, until it is killed. */
import { openStore, type StoreOptions } from './index.ts';

const options: StoreOptions = JSON.parse(process.env['STORE_OPTIONS'] ?? '{}');
const store = await openStore(options);
for (let round = 0; ; round++) {
  const names = Array.from({ length: 8 }, (_, i) => `killed-${round}-${i}`);
  await Promise.all(
    names.map(async (name) => {
      await store.write((trx) => trx.insertInto('settings').values({ name, value: '' }).execute());
      process.send?.(name);
    }),
  );
}
