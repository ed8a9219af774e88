/** Puts the parts of `Sessions` together: admission, reads, endings, each in its own file. */
import type { SessionId } from '@corral/protocol'
import type { Timers } from '../config.ts'
import type { Database } from '../database/transaction.ts'
import type { Membership } from '../identity/caller.ts'
import type { Log } from '../log/log.ts'
import type { Links } from '../supervisors/links.ts'
import { createAdmission } from './admission.ts'
import { createEndings } from './ending.ts'
import { createReads } from './reads.ts'
import type { RepositoryPolicy } from './repository.ts'
import type { Sessions } from './sessions.ts'

export function createSessions(deps: {
  database: Database
  log: Pick<Log, 'appendIn'>
  links: Links
  membership: Membership
  repositories: RepositoryPolicy
  chooseAgent: Parameters<typeof createAdmission>[0]['chooseAgent']
  checkModel(model: string): Promise<string | null>
  /** The reconciler has something to do. */
  wake(): void
  timers: Timers
}): Sessions {
  const listeners = new Set<(id: SessionId) => void>()
  const admission = createAdmission(deps)
  const reads = createReads(deps)
  const endings = createEndings({
    ...deps,
    deleted(id) {
      for (const listener of listeners) listener(id)
    },
  })
  return {
    prepare: admission.prepare,
    start: admission.start,
    initiate: (caller, id, options) => admission.initiate(caller, id, options.kilocodeOrganizationId),
    send: admission.send,
    updateExecution: admission.updateExecution,
    get: reads.get,
    list: reads.list,
    result: reads.result,
    interrupt: endings.interrupt,
    remove: endings.remove,
    diff: reads.diff,
    timing: reads.timing,
    export: reads.export,
    access: reads.access,
    connected: reads.connected,
    onDeleted(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
