/** What a receiver of callbacks is sent; it verifies it with `standardwebhooks`. */
export type { CallbackBody } from '@corral/protocol'
export { orderedMessages, type Transcript } from '@corral/transcript'
export { CorralCallError } from './callError.ts'
export { type Corral, createCorral, type SecretsPublicKey } from './corral.ts'
export { encryptSecret } from './encryptSecret.ts'
export type { FollowOptions, StreamItem } from './follow.ts'
export type { LiveSessions, SessionsState } from './sessions/liveSessions.ts'
export type { Person, SignIn } from './signIn.ts'
