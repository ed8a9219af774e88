/** The commands of a server for tests, with what hardly any test cares about filled in. */
import { join } from 'node:path'
import {
  defaultPermissions,
  type ExecuteParams,
  newAgentSessionId,
  newExecutionId,
  newMessageId,
  newPartId,
  type PrepareParams,
} from '@corral/protocol'
import type { Bench } from './bench.ts'

export const repositoryUrl = 'https://git.example.com/acme/app.git'

export const prepareParams = (bench: Bench, change: Partial<PrepareParams> = {}): PrepareParams => ({
  session: bench.session,
  attempt: 1,
  edition: 1,
  workspacePath: bench.workspacePath,
  home: bench.home,
  repository: { url: repositoryUrl, doorUrl: join(bench.root, 'app.git') },
  branch: { kind: 'session', name: `session/${bench.session}` },
  shallow: false,
  author: { name: 'Corral', email: 'corral@localhost' },
  setupCommands: [],
  setupFailure: 'fail',
  environment: {},
  mcpServers: {},
  gateway: { token: 'gateway-token' },
  checkpoint: null,
  timeouts: { cloneMs: 20_000, setupCommandMs: 5_000 },
  ...change,
})

export const executeParams = (
  bench: Bench,
  agent: ExecuteParams['agent'],
  text: string,
  change: Partial<ExecuteParams> = {},
): ExecuteParams => ({
  session: bench.session,
  executionId: newExecutionId(),
  attempt: 1,
  agentSessionId: newAgentSessionId(),
  title: 'A title of ours',
  history: false,
  messageId: newMessageId(),
  partId: newPartId(),
  prompt: { text },
  files: [],
  mode: { name: 'code', fallback: 'build' },
  model: { id: 'scripted/demo', wire: 'openai-chat' },
  permissions: defaultPermissions,
  alwaysAllowed: [],
  environment: {},
  mcpServers: {},
  agent,
  gateway: { token: 'gateway-token' },
  workspacePath: bench.workspacePath,
  home: bench.home,
  timeouts: { agentStartMs: 60_000 },
  ...change,
})
