export { CorralCallError, callError } from './callError.ts'
export { type Corral, createCorral } from './corral.ts'
export type { FollowOptions, StreamItem } from './stream.ts'
