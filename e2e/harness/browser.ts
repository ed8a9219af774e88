/**
 * A real browser before a real server. Invariant: what the page says on its console as an error, what it throws, and
 * what its content security policy refuses fails the test that looks at it, unless the test expects it.
 */
import { existsSync } from 'node:fs'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { pagesFolder } from '../../packages/server/src/config.ts'
import { buildPage } from '../../scripts/setup/page.ts'
import { type Installation, startInstallation } from './installation.ts'

export const wide = { width: 1440, height: 900 }
export const narrow = { width: 390, height: 844 }
export const password = 'correct horse battery staple'

const launchMs = 30_000
/** A busy machine draws slowly; what is not there then will not come. */
const actionMs = 15_000

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** One browser for all who look; it keeps nothing between two starts. */
export type TestBrowser = AsyncDisposable & { open(options?: OpenOptions): Promise<OpenPage> }

export type OpenOptions = {
  viewport?: { width: number; height: number }
  dark?: boolean
  /** Whoever is signed in already. */
  as?: { email: string; password: string }
}

/** Disposing of it fails when there was trouble. */
export type OpenPage = AsyncDisposable & {
  page: Page
  context: BrowserContext
  /** What is no trouble in this test. */
  expectTrouble(pattern: RegExp): void
}

/** An installation that has the page of these sources. */
export async function startInstallationWithPage(
  ...options: Parameters<typeof startInstallation>
): Promise<Installation> {
  await buildPage({ folder: pagesFolder(process.env) })
  return startInstallation(...options)
}

/** Whoever may sign in with `password`. */
export async function addPerson({ corral }: Installation, name: string): Promise<{ email: string; userId: string }> {
  const email = `${name.toLowerCase()}@example.com`
  const { userId } = await corral.call.createUser.mutate({ name, email, password })
  return { email, userId }
}

/** `CORRAL_CHROMIUM` names another one than the system's. */
const executablePath = process.env.CORRAL_CHROMIUM || '/usr/bin/chromium'

/** For `describe.skipIf`: why there is nothing to look with, or false. */
export const noBrowser = existsSync(executablePath) ? false : `there is no Chromium at ${executablePath}`

export async function startBrowser(url: string): Promise<TestBrowser> {
  const browser = await chromium.launch({ executablePath, args: flags, timeout: launchMs })
  return {
    async open({ viewport = wide, dark = false, as } = {}) {
      const context = await browser.newContext({
        viewport,
        baseURL: url,
        colorScheme: dark ? 'dark' : 'light',
        reducedMotion: 'reduce',
      })
      context.setDefaultTimeout(actionMs)
      if (as) await signIn(context, url, as)
      const page = await context.newPage()
      const troubles: string[] = []
      const expected: RegExp[] = []
      page.on('console', (message) => {
        if (message.type() === 'error') troubles.push(`${message.text()} (${message.location().url})`)
      })
      page.on('pageerror', (error) => troubles.push(String(error.stack ?? error)))
      return {
        page,
        context,
        expectTrouble: (pattern) => void expected.push(pattern),
        async [Symbol.asyncDispose]() {
          await context.close()
          const left = troubles.filter((trouble) => !expected.some((pattern) => pattern.test(trouble)))
          if (left.length > 0) throw new Error(`The page had trouble:\n${left.join('\n')}`)
        },
      }
    },
    [Symbol.asyncDispose]: () => browser.close(),
  }
}

/** Without the form, which has its own test. */
async function signIn(context: BrowserContext, url: string, data: NonNullable<OpenOptions['as']>): Promise<void> {
  const answer = await context.request.post('/api/auth/sign-in/email', { data, headers: { origin: url } })
  if (!answer.ok()) throw new Error(`signing in was refused: ${answer.status()} ${await answer.text()}`)
}
