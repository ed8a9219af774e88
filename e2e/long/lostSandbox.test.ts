/**
 * Everything of a sandbox is removed from this host under an idle session: the next message finds branch, files and
 * conversation in a new one. `kills/lost.test.ts` has it at other moments.
 */
import { glob, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { bash, play, say, write } from '../harness/script.ts'
import { type Begun, callsOf, startConversation } from '../kills/conversation.ts'

let corral: Installation
let conversation: Begun

beforeAll(async () => {
  corral = await startInstallation({ env: { CORRAL_TEST_TIMERS: 'sandboxFolderMs=500' } })
  const work = 'git checkout -q -b feature && git -c user.name=A -c user.email=a@b commit -q --allow-empty -m Local'
  conversation = await startConversation(
    corral,
    'lost',
    play(
      bash(work),
      write('one.md', 'one\n'),
      bash('git add one.md && echo "changed" >> README.md && mkdir -p deep && ln -s /etc/passwd deep/link'),
      say('Done one.'),
    ),
    { autoCommit: false },
  )
})
afterAll(async () => {
  conversation?.viewer.close()
  await corral?.end()
})

/** Waits until nothing of the session is in its sandbox alone, by what its supervisor notes. */
const kept = () =>
  eventually('everything to be kept', 20_000, async () => {
    const notes = join(corral.home, 'sandboxes', '*', 'state', 'sessions', `${conversation.session}.json`)
    for await (const path of glob(notes)) return JSON.parse(await readFile(path, 'utf8')).unkept === false || null
    return null
  })

/** Moved away in one step, and then removed while its processes may still write. */
async function loseSandbox(): Promise<void> {
  const lost = join(corral.folder, `lost-${Date.now()}`)
  await rename(join(corral.home, 'sandboxes'), lost)
  await rm(lost, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}

const look = bash(
  'git log --format=%s -1; git branch --show-current; git status --porcelain; cat one.md; readlink deep/link',
)

/** The messages that the model was given with the last call of this turn. */
async function messagesOf(words: string): Promise<number> {
  return (await callsOf(conversation, words)).at(-1)?.messages ?? 0
}

test('from under an idle session: the next message has branch, files and conversation', async () => {
  expect((await conversation.ended(conversation.first)).streamEventType).toBe('complete')
  const before = await messagesOf('Done one.')
  await kept()
  const { init } = await conversation.inside()
  await loseSandbox()
  const next = await conversation.send(play(look, say('Done two.')))
  expect((await conversation.ended(next)).streamEventType).toBe('complete')
  expect((await conversation.inside()).init).not.toBe(init)
  const output = JSON.stringify(conversation.viewer.events.filter(({ executionId }) => executionId === next))
  const seen = 'Local\\nfeature\\n M README.md\\nA  one.md\\n?? deep/\\none\\n/etc/passwd'
  expect(output.replaceAll('\\\\n', '\\n')).toContain(seen)
  expect(await messagesOf('Done two.'), 'the model was told of the first turn').toBeGreaterThan(before)
})

test('a session that is deleted leaves no checkpoint', async () => {
  await corral.corral.call.deleteSession.mutate({ cloudAgentSessionId: conversation.session })
  await eventually('nothing to be left', 20_000, async () => {
    const left = await Promise.all(['sandboxes', 'checkpoints'].map((name) => readdir(join(corral.home, name))))
    return left.flat().length === 0 || null
  })
})
