export { type RelayHolder, RelayService, type RelaySession } from './relay.ts';
