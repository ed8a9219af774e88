/**
 * Kills outside of turns: while a workspace is made ready, and while the work of a turn is committed. Each time all of
 * server, supervisor and sandbox are killed, one after the other, and what was begun is brought to its end once.
 */
import { existsSync } from 'node:fs'
import { glob, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionId } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { bash, play, say, write } from '../harness/script.ts'
import { bootMs, type Conversation, checkoutOf, joinConversation, pushed } from './conversation.ts'
import { commitsOf, expectAgentsOwn, expectKept } from './kept.ts'

let corral: Installation
let conversation: Conversation
const ends: Record<ExecutionId, string> = {}

/** Runs until the file `go` is in the session's home. */
const setup = 'echo run >> "$HOME/runs"; until [ -e "$HOME/go" ]; do sleep 0.1; done'

beforeAll(async () => {
  corral = await startInstallation()
  const repository = await makeRepository(join(corral.repositories, 'between.git'), { 'README.md': 'Between.\n' })
  const prepared = await corral.backEnd.call.prepareSession.mutate({
    prompt: play(write('one.md', 'one\n'), say('One.')),
    mode: 'code',
    model: 'scripted/demo',
    gitUrl: repository,
    autoCommit: true,
    setupCommands: [setup],
  })
  conversation = joinConversation(corral, { ...prepared, repository })
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

const fileIn = async (pattern: string): Promise<string | null> => {
  for await (const path of glob(join(corral.home, 'sandboxes', '*', pattern))) return path
  return null
}
const runs = async () => {
  const path = await fileIn(`home/${conversation.session}/runs`)
  return path ? (await readFile(path, 'utf8')).trim().split('\n').length : 0
}
const runsToBe = (count: number) =>
  eventually(`run ${count} of the setup command`, 20_000, async () => ((await runs()) === count ? true : null))

async function killSupervisor(): Promise<void> {
  const { supervisor } = await conversation.inside()
  process.kill(supervisor ?? expect.fail('no supervisor'), 'SIGKILL')
}
async function killSandbox(): Promise<void> {
  process.kill((await conversation.inside()).init, 'SIGKILL')
}

test('while a workspace is made ready: it is made ready once more, and the first message waits for it', async () => {
  await runsToBe(1)
  await corral.kill()
  await corral.start()
  const { executionId } = await corral.corral.call.initiateFromPreparedSession.mutate({
    cloudAgentSessionId: conversation.session,
  })
  expect(await runs(), 'the death of the server disturbs nobody').toBe(1)
  await killSupervisor()
  await runsToBe(2)
  await killSandbox()
  await runsToBe(3)
  await writeFile(join((await fileIn(`home/${conversation.session}`)) ?? '', 'go'), '')

  ends[executionId] = 'completed'
  expect((await conversation.ended(executionId)).streamEventType).toBe('complete')
  await pushed(conversation, executionId)
  expect(await commitsOf(conversation)).toEqual([executionId])
  await expectKept(conversation, ends)
})

test('while work is committed: it is on the branch once', async () => {
  const [first] = await conversation.records.executions(conversation.session)
  // Git holds its lock while this runs, and who is killed then leaves the lock behind.
  const clean = 'if [ -e .git/index.lock ]; then touch .git/adding; until [ -e .git/go ]; do sleep 0.1; done; fi; cat'
  const execution = await conversation.send(
    play(
      bash(`git config filter.slow.clean '${clean}'`),
      write('.gitattributes', '*.slow filter=slow\n'),
      write('two.slow', 'two\n'),
      say('Two.'),
    ),
  )
  ends[execution] = 'completed'
  expect((await conversation.ended(execution)).streamEventType).toBe('complete')
  const git = join(await checkoutOf(conversation), '.git')
  const adding = () => eventually('git to be at work', 30_000, () => existsSync(join(git, 'adding')) || null)

  await adding()
  await corral.kill()
  await corral.start()
  await rm(join(git, 'adding'))
  await killSupervisor()
  await adding()
  await rm(join(git, 'adding'))
  await killSandbox()
  await adding()
  await writeFile(join(git, 'go'), '')

  await eventually('the end of finalization', bootMs, async () => {
    const rows = await conversation.records.executions(conversation.session)
    return rows.at(-1)?.finalization === 'done' || null
  })
  expect(await commitsOf(conversation)).toEqual([first?.id, execution])
  const next = await conversation.send(play(bash('git status --short'), say('Three.')))
  ends[next] = 'completed'
  expect((await conversation.ended(next)).streamEventType).toBe('complete')
  await expectKept(conversation, ends)
  await expectAgentsOwn(conversation)
})
