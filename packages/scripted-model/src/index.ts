export { type ScriptedModelControl, scriptedModelControl } from './client.ts'
export type { GateState, RecordedRequest } from './controlSchema.ts'
export { demoPrompt, demoRepository } from './demo.ts'
export { type ScriptedModel, startScriptedModel } from './server.ts'
