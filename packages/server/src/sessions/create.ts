/** Puts the parts of `Sessions` together: preparation, admission, reads, endings, each in its own file. */
import type { SessionId } from '@corral/protocol'
import type { CallbackTargets } from '../callbacks/target.ts'
import type { Timers } from '../config.ts'
import type { Credits } from '../credits/credits.ts'
import type { Database } from '../database/transaction.ts'
import type { Membership } from '../identity/caller.ts'
import type { Log } from '../log/log.ts'
import type { Links } from '../supervisors/links.ts'
import { createAnswers } from './asks/answers.ts'
import { createPermissionRules } from './asks/permissionRules.ts'
import { createAdmissible } from './configuration/admissible.ts'
import { createContentHash } from './configuration/contentHash.ts'
import { createPreparation } from './configuration/preparation.ts'
import type { RepositoryPolicy } from './configuration/repository.ts'
import type { SealedConfigurations } from './configuration/sealedConfiguration.ts'
import { createUpdate } from './configuration/update.ts'
import { createAdmission } from './executions/admission.ts'
import { readCommands } from './executions/commandsOf.ts'
import { createEndings } from './executions/ending.ts'
import { createExecutionQueue } from './executions/executionQueue.ts'
import { createReads } from './reads/reads.ts'
import type { CodeHostOf } from './reconciler/commands.ts'
import type { Sessions } from './sessions.ts'
import { createSuggestions } from './suggestions/suggestions.ts'

export function createSessions(deps: {
  database: Database
  log: Pick<Log, 'appendIn'>
  links: Links
  membership: Membership
  repositories: RepositoryPolicy
  sealed: SealedConfigurations
  callbackTargets: CallbackTargets
  credits: Credits
  /** A keyed digest of content that may hold secrets. */
  digest(content: string): string
  redactText(id: SessionId, text: string): Promise<string>
  chooseAgent: Parameters<typeof createPreparation>[0]['chooseAgent']
  checkModel(model: string): Promise<string | null>
  codeHost: CodeHostOf
  /** What a session has whose model was cleared. */
  defaultModel: string
  /** The reconciler has something to do. */
  wake(): void
  timers: Timers
}): Sessions {
  const listeners = new Set<(id: SessionId) => void>()
  const queue = createExecutionQueue(deps)
  const contentHash = createContentHash(deps)
  const admissible = createAdmissible({ ...deps, outbound: deps.repositories.outbound })
  const preparation = createPreparation({ ...deps, queue, contentHash, admissible })
  const admission = createAdmission({ ...deps, queue, contentHash, admissible })
  const answers = createAnswers(deps)
  const suggestions = createSuggestions({ ...deps, queue })
  const reads = createReads(deps)
  const endings = createEndings({
    ...deps,
    deleted(id) {
      for (const listener of listeners) listener(id)
    },
  })
  return {
    prepare: preparation.prepare,
    prepareLinked: preparation.prepareLinked,
    update: createUpdate({ ...deps, queue, admissible }),
    startPushed: preparation.startPushed,
    start: preparation.start,
    open: preparation.open,
    initiate: admission.initiate,
    send: admission.send,
    updateExecution: admission.updateExecution,
    get: reads.get,
    list: reads.list,
    result: reads.result,
    transcript: reads.transcript,
    progress: reads.progress,
    interrupt: endings.interrupt,
    remove: endings.remove,
    removeTree: endings.removeTree,
    removeAllOf: endings.removeAllOf,
    answerQuestion: answers.answerQuestion,
    rejectQuestion: answers.rejectQuestion,
    answerPermission: answers.answerPermission,
    addPermissionRules: createPermissionRules(deps),
    commands: (caller, id) => readCommands(deps.database.orm, caller, id),
    acceptSuggestion: suggestions.accept,
    dismissSuggestion: suggestions.dismiss,
    suggestions: suggestions.list,
    asks: answers.list,
    diff: reads.diff,
    timing: reads.timing,
    networkLog: reads.networkLog,
    usage: reads.usage,
    executions: reads.executions,
    usageReport: reads.usageReport,
    costs: reads.costs,
    access: reads.access,
    connected: reads.connected,
    onDeleted(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
