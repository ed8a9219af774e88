/**
 * The disk of a sandbox is gone: removed under a turn, lost together with the server, collected to make room, collected
 * since nobody touched it. One conversation goes through all of it.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { git } from '../harness/repositories.ts'
import { bash, gate, play, say, write } from '../harness/script.ts'
import { type Begun, checkoutOf, startConversation } from './conversation.ts'
import { answerOf } from './kept.ts'
import { allKept, loseSandboxes, messagesOf } from './loss.ts'

let corral: Installation
let conversation: Begun

beforeAll(async () => {
  corral = await startInstallation({ env: { CORRAL_TEST_TIMERS: 'sandboxFolderMs=500' } })
  conversation = await startConversation(corral, 'lost', play(say('Done one.')), {
    autoCommit: false,
    shallow: true,
  })
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

test('from under a session that works: the turn is lost, and the next message has what was before it', async () => {
  const saved = await conversation.send(play(write('two.md', 'two\n'), say('Done three.')))
  await conversation.ended(saved)
  await allKept(conversation)
  const lost = await conversation.send(play(say('At work. '), gate('lost'), write('never.md', 'never\n')))
  await conversation.atGate('lost')
  await loseSandboxes(corral)
  expect(await conversation.ended(lost, 10_000)).toMatchObject({ data: { reason: 'sandbox_lost' } })
  await conversation.release('lost')

  const next = await conversation.send(play(bash('ls'), say('Done four.')))
  expect((await conversation.ended(next)).streamEventType).toBe('complete')
  expect(answerOf(conversation, next)).toContain('Done four.')
  const folder = await checkoutOf(conversation)
  expect(await readFile(join(folder, 'two.md'), 'utf8')).toBe('two\n')
  expect(await messagesOf(conversation, 'Done four.')).toBeGreaterThan(await messagesOf(conversation, 'Done three.'))
})

test('while a checkpoint is under way, in a repository that has moved on: as of some turn before, and whole', async () => {
  const { repository } = conversation
  const theirs = await git(repository, 'commit-tree', '-p', 'main', '-m', 'Others', 'main^{tree}')
  await git(repository, 'update-ref', 'refs/heads/main', theirs.trim())
  const last = await conversation.send(play(write('four.md', 'four\n'), say('Perhaps kept.')))
  await conversation.ended(last)
  await loseSandboxes(corral)
  const next = await conversation.send(play(bash('cat two.md'), say('Done again.')))
  expect((await conversation.ended(next)).streamEventType).toBe('complete')
  expect(await readFile(join(await checkoutOf(conversation), 'two.md'), 'utf8')).toBe('two\n')
  expect(await messagesOf(conversation, 'Done again.')).toBeGreaterThan(await messagesOf(conversation, 'Done four.'))
  await allKept(conversation)
})

test('once more, after the server was killed and the sandbox with it, while its checkpoint was under way', async () => {
  const last = await conversation.send(play(write('five.md', 'five\n'), say('Done five.')))
  await conversation.ended(last)
  await corral.kill()
  process.kill((await conversation.inside()).init, 'SIGKILL')
  await corral.start()
  const next = await conversation.send(play(bash('cat five.md'), say('Done six.')))
  expect((await conversation.ended(next)).streamEventType).toBe('complete')
  await allKept(conversation)
  await loseSandboxes(corral)
  const again = await conversation.send(play(bash('cat five.md'), say('Done seven.')))
  expect((await conversation.ended(again)).streamEventType).toBe('complete')
  expect(await readFile(join(await checkoutOf(conversation), 'five.md'), 'utf8')).toBe('five\n')
  expect(await messagesOf(conversation, 'Done seven.')).toBeGreaterThan(await messagesOf(conversation, 'Done six.'))
})

const foldersIn = async (name: string) => (await readdir(join(corral.home, name))).length

test('a disk that is too full: idle sessions are collected, new work waits and is refused, and what was collected comes back', async () => {
  await allKept(conversation)
  await corral.stop()
  await writeFile(join(corral.folder, 'corral.config.json'), JSON.stringify({ minimumFreeDiskBytes: 2 ** 60 }))
  await corral.start({ CORRAL_TEST_TIMERS: 'sandboxFolderMs=500,diskRetryMs=100' })
  const { executionId, cloudAgentSessionId } = await corral.corral.call.start.mutate({
    prompt: play(say('Never.')),
    ...{ mode: 'code', model: 'scripted/demo', gitUrl: conversation.repository, autoCommit: false },
  })
  const refused = await eventually('the refusal', 20_000, async () => {
    const result = await corral.corral.call.getMessageResult.query({ cloudAgentSessionId, executionId })
    return result.status === 'failed' ? result : null
  })
  expect(JSON.stringify(refused)).toContain('disk_full')
  expect(await foldersIn('sandboxes')).toBe(0)
  expect(await foldersIn('checkpoints')).toBe(1)
  await corral.corral.call.deleteSession.mutate({ cloudAgentSessionId })

  await corral.stop()
  await rm(join(corral.folder, 'corral.config.json'))
  await corral.start({ CORRAL_TEST_TIMERS: 'sandboxFolderMs=500' })
  const before = await messagesOf(conversation, 'Done seven.')
  const back = await conversation.send(play(bash('cat five.md'), say('Done eight.')))
  expect((await conversation.ended(back)).streamEventType).toBe('complete')
  expect(await readFile(join(await checkoutOf(conversation), 'five.md'), 'utf8')).toBe('five\n')
  expect(await messagesOf(conversation, 'Done eight.')).toBeGreaterThan(before)
  await allKept(conversation)
})

test('untouched for 90 days: nothing but the log is left, and it still takes a message', async () => {
  await conversation.records.age(conversation.session, 90 * 24 * 60)
  await eventually('nothing to be left', 60_000, async () => {
    return (await foldersIn('sandboxes')) + (await foldersIn('checkpoints')) === 0 || null
  })
  expect((await corral.corral.exportSession(conversation.session)).messages.length).toBeGreaterThan(10)
  const next = await conversation.send(play(bash('cat README.md'), say('Done nine.')))
  expect((await conversation.ended(next)).streamEventType).toBe('complete')
  expect(answerOf(conversation, next)).toContain('Done nine.')
})
