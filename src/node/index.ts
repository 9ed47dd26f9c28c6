export { NodeAgent } from './agent.ts';
export { type NodeOptions, runNode, startNode } from './run.ts';
