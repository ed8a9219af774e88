import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { homePath, newSandboxId, newSessionId, sessionState, workspacePath } from '@corral/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { removeDiscarded, setAside } from './discard.ts'
import { sandboxesFolder, sandboxFolder, sandboxPaths } from './layout.ts'

let dataFolder: string
beforeAll(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'corral-discard-'))
})
afterAll(() => rm(dataFolder, { recursive: true }))

/** A stopped sandbox with two sessions of one user. */
async function makeSandbox() {
  const folder = sandboxFolder(dataFolder, newSandboxId())
  const paths = sandboxPaths(folder)
  const sessions = await Promise.all(
    ['a', 'b'].map(async () => {
      const id = newSessionId()
      const files = { id, workspacePath: workspacePath({ userId: 'ada' }, id), home: homePath(id) }
      const { spool, record } = sessionState(id)
      const places = [folder + files.workspacePath, folder + files.home, join(paths.state, spool)]
      for (const place of places) {
        await mkdir(join(place, 'deep'), { recursive: true })
        await writeFile(join(place, 'deep', 'file'), 'x')
      }
      await mkdir(join(paths.state, 'sessions'), { recursive: true })
      await writeFile(join(paths.state, record), '{}')
      return { files, places: [...places, join(paths.state, record)] }
    }),
  )
  const [first, second] = sessions
  if (!first || !second) throw new Error('no sessions')
  return { folder, paths, first, second }
}
const present = (places: string[]) => places.map((place) => existsSync(place))

test('the files of one session go, and those of the other stay', async () => {
  const { folder, first, second } = await makeSandbox()
  await setAside(folder, first.files)
  expect(present(first.places)).toEqual([false, false, false, false])
  expect(present(second.places)).toEqual([true, true, true, true])
  await setAside(folder, first.files)
  await removeDiscarded(dataFolder)
  expect((await readdir(sandboxesFolder(dataFolder))).filter((name) => name.startsWith('.'))).toEqual([])
  expect(present(second.places)).toEqual([true, true, true, true])
})

test('a whole sandbox goes, and one that is not there is none to remove', async () => {
  const { folder } = await makeSandbox()
  await setAside(folder, 'all')
  await setAside(folder, 'all')
  expect(existsSync(folder)).toBe(false)
  await removeDiscarded(dataFolder)
  await removeDiscarded(join(dataFolder, 'nowhere'))
})

test('a link that the sandbox has left leads nowhere', async () => {
  const { folder, paths, first, second } = await makeSandbox()
  const outside = join(dataFolder, 'outside')
  await mkdir(join(outside, 'sessions', second.files.id), { recursive: true })
  await rm(join(paths.workspace, 'ada'), { recursive: true })
  await symlink(outside, join(paths.workspace, 'ada'))
  await rm(folder + first.files.home, { recursive: true })
  await symlink(outside, folder + first.files.home)
  await setAside(folder, second.files)
  await setAside(folder, first.files)
  await removeDiscarded(dataFolder)
  expect(existsSync(join(outside, 'sessions', second.files.id))).toBe(true)
  // The link itself was the session's, and is gone.
  expect(await readdir(paths.home)).toEqual([])
})

test('a path that leads out of the sandbox is refused', async () => {
  const { folder, first } = await makeSandbox()
  await expect(setAside(folder, { ...first.files, home: '/etc' })).rejects.toThrow('/etc is not in /home')
  await mkdir(join(dataFolder, 'sandboxes', 'victim'), { recursive: true })
  await setAside(folder, { ...first.files, home: '/home/../../victim' })
  expect(existsSync(join(dataFolder, 'sandboxes', 'victim'))).toBe(true)
})
