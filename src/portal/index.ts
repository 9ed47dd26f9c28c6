export { Inlet, type InletOptions, type InletTarget } from './inlet.ts';
export { OutletRegistry, type OutletTarget, type PeerCheck } from './outlet.ts';
