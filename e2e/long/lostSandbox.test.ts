/**
 * Everything of a sandbox is removed from this host under an idle session: the next message finds branch, files and
 * conversation in a new one. `kills/lost.test.ts` has it at other moments.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../harness/eventually.ts'
import { type Installation, startInstallation } from '../harness/installation.ts'
import { bash, play, say, write } from '../harness/script.ts'
import { type Begun, startConversation } from '../kills/conversation.ts'
import { allKept, loseSandboxes, messagesOf } from '../kills/loss.ts'

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

const look = bash(
  'git log --format=%s -1; git branch --show-current; git status --porcelain; cat one.md; readlink deep/link',
)

test('from under an idle session: the next message has branch, files and conversation', async () => {
  expect((await conversation.ended(conversation.first)).streamEventType).toBe('complete')
  const before = await messagesOf(conversation, 'Done one.')
  await allKept(conversation)
  const { init } = await conversation.inside()
  await loseSandboxes(corral)
  const next = await conversation.send(play(look, say('Done two.')))
  expect((await conversation.ended(next)).streamEventType).toBe('complete')
  expect((await conversation.inside()).init).not.toBe(init)
  const output = JSON.stringify(conversation.viewer.events.filter(({ executionId }) => executionId === next))
  const seen = 'Local\\nfeature\\n M README.md\\nA  one.md\\n?? deep/\\none\\n/etc/passwd'
  expect(output.replaceAll('\\\\n', '\\n')).toContain(seen)
  expect(await messagesOf(conversation, 'Done two.'), 'the model was told of the first turn').toBeGreaterThan(before)
})

test('a session that is deleted leaves no checkpoint', async () => {
  await corral.corral.call.deleteSession.mutate({ cloudAgentSessionId: conversation.session })
  await eventually('nothing to be left', 20_000, async () => {
    const left = await Promise.all(['sandboxes', 'checkpoints'].map((name) => readdir(join(corral.home, name))))
    return left.flat().length === 0 || null
  })
})
