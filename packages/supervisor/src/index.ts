export { exitFenced } from './exitCodes.ts'
export { type Supervisor, type SupervisorOptions, startSupervisor } from './supervisor.ts'
