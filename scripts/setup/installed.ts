/**
 * The part of set-up that needs the installed packages: the default agent in the store, the supervisor in one file, and
 * the page.
 */
import { defaultAgent } from '../../packages/server/src/agents/catalog.ts'
import { createAgentStore } from '../../packages/server/src/agents/store.ts'
import { agentsFolder, pagesFolder, supervisorsFolder } from '../../packages/server/src/config.ts'
import { supervisorBundle } from '../../packages/server/src/supervisors/bundle.ts'
import { buildPage } from './page.ts'

try {
  const agents = createAgentStore({ folder: agentsFolder(process.env) })
  if (!(await agents.find(defaultAgent))) {
    console.log(`Installing the agent ${defaultAgent} (about 200 MB) …`)
    await agents.install(defaultAgent)
  }
  await supervisorBundle({ folder: supervisorsFolder(process.env) })
  await buildPage({ folder: pagesFolder(process.env) })
} catch (error) {
  console.error(`\nCorral could not be set up: ${reasonsOf(error).join('\n  Why: ')}\n`)
  process.exitCode = 1
}

function reasonsOf(error: unknown): string[] {
  if (!(error instanceof Error)) return error === undefined ? [] : [String(error)]
  return [error.message, ...reasonsOf(error.cause)]
}
