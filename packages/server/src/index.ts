/** What other packages may use of the server: the type of its procedures, and the ways to start and end it. */
export { agentCatalog } from './agents/catalog.ts'
export { createAgentStore } from './agents/store.ts'
export { type Config, readConfig } from './config.ts'
export { doctor } from './doctor.ts'
export { down } from './down.ts'
export type { AppRouter } from './faces/cloud-agent/router.ts'
export { createLogger } from './logger.ts'
export { type RunningServer, up } from './up.ts'
