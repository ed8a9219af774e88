/**
 * Pictures of the page as it is, for the documentation and to look at: `npm run screenshots [-- --only settings --to DIR]`.
 * Each is taken of a server of its own with the same people in it, wide and narrow, light and dark.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createCorral } from '@corral/client'
import { demoPrompt, demoRepository } from '@corral/scripted-model'
import type { Page } from 'playwright-core'
import { addPerson, narrow, password, startBrowser, startInstallationWithPage, wide } from '../e2e/harness/browser.ts'
import { eventually } from '../e2e/harness/eventually.ts'
import type { Installation } from '../e2e/harness/installation.ts'
import { makeRepository } from '../e2e/harness/repositories.ts'

const workMs = 180_000

type Picture = {
  name: string
  /** `{session}` stands for the session that there is. */
  path: string
  /** Nobody is signed in. */
  outside?: boolean
  /** To the state that is shown. */
  act?(page: Page): Promise<void>
}

const pictures: Picture[] = [
  { name: 'sign-in', path: '/sign-in', outside: true },
  { name: 'sessions', path: '/' },
  {
    name: 'session',
    path: '/cloud/chat?sessionId={session}',
    act: (page) => page.getByLabel('Message to the agent').waitFor(),
  },
  { name: 'new-session', path: '/new' },
  { name: 'usage', path: '/usage' },
  { name: 'settings-profile', path: '/settings' },
  { name: 'settings-keys', path: '/settings/keys' },
  {
    name: 'settings-new-key',
    path: '/settings/keys',
    act: (page) => page.getByRole('button', { name: 'New key' }).click(),
  },
  { name: 'settings-organizations', path: '/settings/organizations' },
  { name: 'settings-members', path: '/settings/organizations/corral' },
  { name: 'settings-users', path: '/settings/users' },
  { name: 'settings-audit', path: '/settings/audit' },
  { name: 'help', path: '/', act: (page) => page.keyboard.press('?') },
  { name: 'menu', path: '/', act: (page) => page.getByRole('button', { name: /^Signed in as/ }).click() },
  { name: 'not-found', path: '/nowhere' },
]

const looks = [
  { name: 'wide-light', viewport: wide, dark: false },
  { name: 'wide-dark', viewport: wide, dark: true },
  { name: 'narrow-light', viewport: narrow, dark: false },
  { name: 'narrow-dark', viewport: narrow, dark: true },
]

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    to: { type: 'string', default: fileURLToPath(new URL('../docs/pictures', import.meta.url)) },
  },
})
await mkdir(values.to, { recursive: true })
const installation = await startInstallationWithPage()
try {
  const { session, ...as } = await people(installation)
  await using browser = await startBrowser(installation.url)
  for (const { name: look, ...options } of looks) {
    await using inside = await browser.open({ ...options, as })
    await using outside = await browser.open(options)
    for (const picture of pictures.filter(({ name }) => name.includes(values.only))) {
      const { page, expectTrouble } = picture.outside ? outside : inside
      expectTrouble(/status of 404.*\/nowhere/)
      await page.goto(picture.path.replace('{session}', session))
      await page.getByRole('heading').first().waitFor()
      await page.locator('[role=status][aria-label=Loading]').first().waitFor({ state: 'detached' })
      await picture.act?.(page)
      await page.screenshot({ path: join(values.to, `${picture.name}-${look}.png`) })
      console.log(`${picture.name}-${look}`)
    }
  }
} finally {
  await installation.end()
}

/** A small team; answers who looks at it, and what was done for them. */
async function people(at: Installation): Promise<{ email: string; password: string; session: string }> {
  const { call } = at.corral
  const ada = await addPerson(at, 'Ada')
  const grace = await addPerson(at, 'Grace')
  await addPerson(at, 'Linus')
  const session = await work(at, ada.userId)
  for (const { userId } of [ada, grace])
    await call.addMember.mutate({ organizationId: 'corral', user: userId, role: 'admin' })
  await call.createOrganization.mutate({ name: 'Difference Engines', slug: 'engines', owner: ada.userId })
  await call.createApiKey.mutate({ name: 'CI', user: ada.userId, expiresInSeconds: 7_776_000 })
  await call.createApiKey.mutate({ name: 'reviewer', user: ada.userId, botId: 'reviewer' })
  return { email: ada.email, password, session }
}

/** What an agent did for them: the demo's story, to its end. */
async function work(at: Installation, user: string): Promise<string> {
  const { key } = await at.corral.call.createApiKey.mutate({ name: 'laptop', user })
  const { call } = createCorral({ url: at.url, apiKey: key })
  const gitUrl = await makeRepository(join(at.repositories, 'sum.git'), demoRepository)
  const ack = await call.start.mutate({
    prompt: demoPrompt,
    mode: 'code',
    model: 'scripted/demo',
    gitUrl,
    autoCommit: true,
  })
  await eventually('the end of the work', workMs, async () => {
    const { status } = await call.getMessageResult.query({
      cloudAgentSessionId: ack.cloudAgentSessionId,
      executionId: ack.executionId,
      waitMs: 5_000,
    })
    return status === 'completed' || null
  })
  return ack.cloudAgentSessionId
}
