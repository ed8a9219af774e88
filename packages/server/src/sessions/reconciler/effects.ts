/**
 * Does the one thing that `decide` asked for. Each effect first commits what it is about to do, then does it, or does
 * something idempotent and then commits what came of it; a crash between the two is repaired by the next look.
 * Nothing long is awaited: commands answer `accepted`, and their end comes as an event.
 */
import type { SandboxId, SessionId } from '@corral/protocol'
import type { Logger } from 'pino'
import type { Callbacks } from '../../callbacks/callbacks.ts'
import type { Timers } from '../../config.ts'
import type { Claim } from '../../database/reconciler.ts'
import type { Database, Tx } from '../../database/transaction.ts'
import type { Log } from '../../log/log.ts'
import type { Fleet } from '../../sandboxes/fleet.ts'
import type { Links } from '../../supervisors/links.ts'
import { answer, expireAsk } from './askEffects.ts'
import { collect, makeRoom, waitForRoom } from './collectionEffects.ts'
import { finalize, interrupt, prepareWorkspace, stopAgent, warmAgent } from './commandEffects.ts'
import type { Commands } from './commands.ts'
import type { Action, SessionAction } from './decide.ts'
import { deliver } from './delivery.ts'
import { createEffectScope } from './effectScope.ts'
import { fail, failPreparation, giveUpFinalization, settleStopped } from './endingEffects.ts'
import type { SessionLook } from './facts.ts'
import { compact, remove } from './removal.ts'
import { enterSandbox, startSandbox, stopSandbox, takeSandbox } from './sandboxEffects.ts'

export type EffectDependencies = {
  database: Database
  log: Pick<Log, 'appendIn' | 'compactIn'>
  links: Links
  commands: Commands
  callbacks: Pick<Callbacks, 'owe' | 'fixBodies'>
  /** Makes (or finds) the sandbox of a session. */
  takeSandbox(tx: Tx, row: SessionLook['session']): Promise<SandboxId>
  /** Asks for its start, or for its end; under its lock. */
  fleet: Pick<Fleet, 'requestStart' | 'requestStop' | 'discard' | 'isWhole'>
  /** Removes what is kept of a session outside of its sandbox. */
  removeCheckpoint(id: SessionId): Promise<void>
  wakeSandboxes(): void
  /** Without the secrets that are known of the session. */
  redactText(sessionId: SessionId, text: string): string
  agentStartsAtOnce: number
  timers: Timers
  logger: Logger
}

export function createEffects(deps: EffectDependencies) {
  return async function act(
    action: Exclude<SessionAction, Action<'wait'>>,
    claim: Claim,
    look: SessionLook,
  ): Promise<void> {
    const at = createEffectScope(deps, claim, look)
    const inSandbox = action.do === 'prepareWorkspace' || action.do === 'warmAgent' || action.do === 'deliver'
    // Nothing is begun in a sandbox that could keep nothing of it; a new one takes its place.
    if (inSandbox && look.sandbox && !(await deps.fleet.isWhole(look.sandbox.id)))
      return stopSandbox(deps, at, { do: 'stopSandbox', unless: [] })
    switch (action.do) {
      case 'takeSandbox':
        return takeSandbox(deps, at)
      case 'startSandbox':
        return startSandbox(deps, at)
      case 'stopSandbox':
        return stopSandbox(deps, at, action)
      case 'enterSandbox':
        return enterSandbox(deps, at)
      case 'prepareWorkspace':
        return prepareWorkspace(deps, at, action)
      case 'warmAgent':
        return warmAgent(deps, at)
      case 'deliver':
        return deliver(deps, at, action)
      case 'interrupt':
        return interrupt(deps, at, action)
      case 'answer':
        return answer(deps, at, action)
      case 'expireAsk':
        return expireAsk(deps, at, action)
      case 'finalize':
        return finalize(deps, at, action)
      case 'stopAgent':
        return stopAgent(deps, at)
      case 'settleStopped':
        return settleStopped(at, action)
      case 'giveUpFinalization':
        return giveUpFinalization(deps, at, action)
      case 'fail':
        return fail(deps, at, action)
      case 'failPreparation':
        return failPreparation(deps, at, action)
      case 'makeRoom':
        return makeRoom(deps, at)
      case 'waitForRoom':
        return waitForRoom(deps, at)
      case 'collect':
        return collect(deps, at, action)
      case 'compact':
        return compact(deps, at, action)
      case 'remove':
        return remove(deps, at)
    }
  }
}
