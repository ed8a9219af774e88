/** The same conversation with Kilo, the other agent of OpenCode's family: nobody who calls Corral notices which it is. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentExport } from './harness/agentExport.ts'
import { type Installation, startInstallation } from './harness/installation.ts'
import { installedAgent, notInstalled } from './harness/installedAgent.ts'
import { git, makeRepository } from './harness/repositories.ts'
import { bash, play, say, write } from './harness/script.ts'
import { jsonIn, toolOutputs } from './harness/tools.ts'
import { follow } from './harness/viewer.ts'

let corral: Installation

beforeAll(async () => {
  corral = await startInstallation()
})
afterAll(() => corral?.end())

test('Kilo takes a prompt and a follow-up, its tools work, and its branch is pushed', async ({ skip }) => {
  if (!(await installedAgent(corral, 'kilo'))) skip(notInstalled('kilo'))

  const repository = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
  const first = await corral.corral.call.start.mutate({
    prompt: play(
      say('I look.'),
      bash('echo "{\\"files\\": $(ls | wc -l)}"'),
      write('notes.md', 'hello\n'),
      say('Noted.'),
    ),
    mode: 'code',
    model: 'scripted/demo',
    agentKind: 'kilo',
    gitUrl: repository,
    autoCommit: true,
  })
  const { cloudAgentSessionId: session, kiloSessionId: agentSessionId } = first
  const viewer = follow(corral.corral, session)
  expect(await viewer.ended(first.executionId)).toMatchObject({ streamEventType: 'complete' })
  expect(jsonIn(toolOutputs(viewer, first.executionId)[0])).toEqual({ files: 1 })

  const second = await corral.corral.call.sendMessage.mutate({
    cloudAgentSessionId: session,
    prompt: play(bash('cat notes.md'), say('It says hello.')),
  })
  expect(await viewer.ended(second.executionId)).toMatchObject({ streamEventType: 'complete' })
  const result = await corral.corral.call.getMessageResult.query({
    cloudAgentSessionId: session,
    executionId: second.executionId,
  })
  expect(result).toMatchObject({ status: 'completed', assistant: { text: 'It says hello.' } })
  expect(await git(repository, 'show', `session/${session}:notes.md`)).toBe('hello')

  const ours = await corral.corral.exportSession(session)
  const theirs = await agentExport(corral, { session, agentSessionId, agent: 'kilo' })
  // Kilo keeps when a step began, and tells it to nobody.
  for (const part of theirs.messages.flatMap(({ parts }) => parts)) if (part.type === 'step-start') delete part.time
  expect(ours.messages).toEqual(theirs.messages)
  viewer.close()
})
