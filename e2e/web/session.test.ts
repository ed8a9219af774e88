/**
 * A session on the page, before a real browser: what an agent says while it says it, the queue, asks, Stop, and that
 * neither a reload nor a restart of the server loses or doubles a character. What an agent says is hostile here, too.
 */
import { join } from 'node:path'
import { type Corral, createCorral, orderedMessages } from '@corral/client'
import { type AgentSessionId, newAgentSessionId, type SessionId } from '@corral/protocol'
import { emptyTranscript, logEventOf, reduce } from '@corral/transcript'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seriousIssues } from '../harness/accessibility.ts'
import {
  addPerson,
  narrow,
  noBrowser,
  type OpenPage,
  password,
  startBrowser,
  startInstallationWithPage,
  type TestBrowser,
  wide,
} from '../harness/browser.ts'
import type { Installation } from '../harness/installation.ts'
import { makeRepository } from '../harness/repositories.ts'
import { ask, bash, gate, play, say, task, write } from '../harness/script.ts'

const patienceMs = 60_000
const poem = Array.from({ length: 240 }, (_, i) => `word${i}`).join(' ')

describe.skipIf(noBrowser)('a session on the page', () => {
  let corral: Installation
  let browser: TestBrowser
  let ada: Corral
  let adasKey: string
  let session: SessionId
  let opened: OpenPage
  let page: Page
  const elsewhere: string[] = []

  beforeAll(async () => {
    corral = await startInstallationWithPage()
    browser = await startBrowser(corral.url)
    const gitUrl = await makeRepository(join(corral.repositories, 'app.git'), { 'README.md': 'An app.\n' })
    const { email, userId } = await addPerson(corral, 'Ada')
    const { key } = await corral.corral.call.createApiKey.mutate({ name: 'the test', user: userId })
    adasKey = key
    ada = createCorral({ url: corral.url, apiKey: key })
    opened = await browser.open({ as: { email, password } })
    page = opened.page
    page.on('request', (request) => {
      const { origin, protocol } = new URL(request.url())
      if (protocol.startsWith('http') && origin !== corral.url) elsewhere.push(request.url())
    })
    const ack = await ada.call.start.mutate({
      prompt: play(say('It **begins**.'), say(` ${poem}`), gate('first'), say(' And it ends.')),
      ...{ mode: 'code', model: 'scripted/demo', gitUrl },
      permissions: { default: 'auto', rules: ['question', 'bash'].map((tool) => ({ tool, action: 'ask' as const })) },
    })
    session = ack.cloudAgentSessionId
  })
  afterAll(async () => {
    // Trouble of the page fails the test, and leaves nothing behind.
    try {
      await opened?.[Symbol.asyncDispose]()
    } finally {
      await browser?.[Symbol.asyncDispose]()
      await corral?.end()
    }
  })

  const address = () => `/cloud/chat?sessionId=${session}`
  const composer = () => page.getByLabel('Message to the agent')
  const said = () => page.getByRole('article', { name: 'Agent' })
  const shows = (text: string) => said().getByText(text).last().waitFor({ timeout: patienceMs })
  async function send(text: string): Promise<void> {
    await composer().fill(text)
    await composer().press('Enter')
    await expect.poll(() => composer().inputValue()).toBe('')
  }
  /** What the agent has said, as the page shows it and as the log has it, without markup and spaces. */
  const shown = async () => bare((await said().allInnerTexts()).join(''))
  async function logged(): Promise<string> {
    const events = []
    for await (const item of ada.stream(session)) {
      if (item.kind === 'connected') break
      if (item.kind === 'event') events.push(logEventOf(item.event))
    }
    return bare(
      orderedMessages(reduce(emptyTranscript, events))
        .filter(({ message }) => message.info.role === 'assistant')
        .flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : '')))
        .join(''),
    )
  }
  const bare = (text: string) => text.replaceAll(/[\s*]/g, '')

  test('shows what the agent says while the model still speaks', async () => {
    await page.goto(address())
    await shows('begins')
    await expect.poll(shown, { timeout: patienceMs }).toContain('word239')
    expect(await page.locator('strong', { hasText: 'begins' }).count()).toBe(1)
    expect(await shown()).toBe(await logged())
  })

  test('queues what one writes meanwhile, to be changed or canceled', async () => {
    await send('The first one')
    await send('The second one')
    const queue = page.getByRole('region', { name: 'Queued messages' })
    await queue.getByText('The second one').waitFor()
    await queue.getByLabel('Edit').first().click()
    await queue
      .getByLabel('Queued message', { exact: true })
      .fill(play(ask('Which color?', 'Red', 'Blue'), say('Thank you.')))
    await queue.getByText('Save').click()
    await queue.getByText('Which color?').waitFor()
    await queue.getByLabel('Cancel').last().click()
    await expect.poll(() => queue.getByRole('listitem').count()).toBe(1)
  })

  test('is the same after a reload in the middle, with the draft', async () => {
    await composer().fill('Half a')
    const before = await shown()
    await page.reload()
    await expect.poll(shown, { timeout: patienceMs }).toBe(before)
    expect(await composer().inputValue()).toBe('Half a')
    await composer().fill('')
  })

  test('goes on after a restart of the server by itself, and sends what did not arrive as the same message', async () => {
    opened.expectTrouble(/net::ERR_|WebSocket|50[0-9]/)
    await corral.kill()
    await page.getByText('The connection is lost').waitFor()
    await send('Are you there?')
    await page.getByRole('button', { name: 'Send again' }).waitFor()
    await corral.start()
    await page.getByRole('button', { name: 'Send again' }).click()
    const queued = page.getByRole('listitem').filter({ hasText: 'Are you there?' })
    await queued.getByLabel('Cancel').click()
    await expect.poll(() => queued.count()).toBe(0)
    await (await corral.model()).release('first')
    await shows('And it ends.')
    await expect.poll(() => page.getByText('The connection is lost').count()).toBe(0)
    expect(await shown()).toContain(await logged())
    expect((await shown()).split('word239')).toHaveLength(2)
  })

  test('has the questions of the agent in their place, and what was answered', async () => {
    const question = page.getByRole('region', { name: 'The agent asks' })
    await question.waitFor({ timeout: patienceMs })
    expect(await seriousIssues(page)).toEqual([])
    await question.getByLabel('Blue').check()
    await question.getByRole('button', { name: 'Answer', exact: true }).click()
    await page.getByText('Which color? — Blue').waitFor({ timeout: patienceMs })
    await shows('Thank you.')
  })

  test('asks for what a sub-agent needs, and shows its own conversation inside', async () => {
    await send(play(task('Look around', bash('echo looked'), say('I looked.')), say('It has looked.')))
    const permission = page.getByRole('region', { name: 'The agent needs permission' })
    await permission.waitFor({ timeout: patienceMs })
    await permission.getByRole('button', { name: 'Allow once' }).click()
    await shows('It has looked.')
    await page.getByRole('button', { name: /Sub-agent.*Look around/ }).click()
    await page.getByText('I looked.').first().waitFor()
  })

  test('stops, and goes on with the next message', async () => {
    await send('play: say "I work." | hang')
    await shows('I work.')
    await page.keyboard.press('Escape')
    await page.getByText('Escape again stops the agent.').waitFor()
    await page.keyboard.press('Escape')
    await page.getByText('Stopped').last().waitFor()
    await send(play(say('Here I am.')))
    await shows('Here I am.')
  })

  test('does nothing that an agent has written into its text, its files or its tools', async () => {
    const hostile = [
      '<img src="http://203.0.113.1/x.png" onerror="document.title=\'owned\'"><script>document.title="owned"</script>',
      '![seen](http://203.0.113.1/seen.png) [click](javascript:document.title="owned") [x](data:text/html,owned)',
    ].join('\n\n')
    const name = '<img src=x onerror=alert(1)>.md'
    await send(play(write(`'${name}'`.replaceAll("'", '"'), hostile), say(hostile), say('That was it.')))
    await shows('That was it.')
    expect(await page.title()).not.toContain('owned')
    expect(
      await page
        .locator('article img, article script, article a[href^="javascript:"], article a[href^="data:"]')
        .count(),
    ).toBe(0)
    const image = page.getByRole('link', { name: 'Image: seen' })
    expect(await image.getAttribute('rel')).toContain('noopener')
    expect(elsewhere).toEqual([])
  })

  test('has no serious issue of accessibility, wide and narrow, and is one column wide at most', async () => {
    expect(await seriousIssues(page)).toEqual([])
    await page.setViewportSize(narrow)
    expect(await seriousIssues(page)).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(narrow.width)
  })

  test('reads on backwards when one scrolls there, and comes back to the newest message', async () => {
    await page.setViewportSize(wide)
    const long = newAgentSessionId()
    await pushMessages(long, 250)
    await page.goto(`/cloud/chat?sessionId=${long}`)
    const numbers = async () => (await said().allInnerTexts()).map((text) => Number(text.replace('Message ', '')))
    await expect.poll(async () => (await numbers()).at(-1), { timeout: patienceMs }).toBe(249)
    await page.getByRole('region', { name: 'Conversation', exact: true }).focus()
    await expect
      .poll(async () => {
        await page.keyboard.press('Home')
        return (await numbers())[0]
      })
      .toBe(0)
    const first = await numbers()
    expect(first).toEqual(first.map((_, i) => i))
    await page.getByRole('button', { name: 'Jump to newest' }).click()
    await expect.poll(async () => (await numbers()).at(-1)).toBe(249)
  })

  /** As an agent elsewhere tells of its session. */
  async function pushMessages(sessionID: AgentSessionId, count: number): Promise<void> {
    const data = Array.from({ length: count }, (_, i) => {
      const messageID = `msg_${i}`
      return [
        { type: 'message', data: { id: messageID, sessionID, role: 'assistant', time: { created: i } } },
        { type: 'part', data: { id: `prt_${i}`, messageID, sessionID, type: 'text', text: `Message ${i}` } },
      ]
    }).flat()
    const headers = { authorization: `Bearer ${adasKey}`, 'content-type': 'application/json' }
    for (const [path, body] of Object.entries({
      '': { sessionId: sessionID },
      [`/${sessionID}/ingest?v=2`]: { data },
    })) {
      const answer = await fetch(`${corral.url}/api/session${path}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      })
      expect(answer.status).toBe(200)
    }
  }
})
