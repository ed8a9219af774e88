export { orderedMessages, type Transcript } from '@corral/transcript'
export { CorralCallError } from './callError.ts'
export { type Corral, createCorral } from './corral.ts'
export type { FollowOptions, StreamItem } from './follow.ts'
